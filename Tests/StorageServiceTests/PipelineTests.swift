import Encodings
import Foundation
import MetricsTestKit
import NATS
import Storage
import StorageLayers
import StorageService
import Synchronization
import TestSupport
import Testing

/// Inputs from streams, as an instance serves them.
@Suite struct PipelineTests {
    /// A server with a stream, and a component that stores it.
    private struct Rig {
        let server: NATSServer
        let client: NATSConnection
        let stream: JetStream

        init(_ flavor: ServerFlavor = .newest) async throws {
            server = try await NATSServer(flavor)
            var options = NATSOptions()
            options.urls = [server.url]
            client = try await NATSConnection.connect(options)
            stream = JetStream(client)
            _ = try await stream.createStream(StreamConfiguration(name: "IN", subjects: ["in.>"]))
        }

        func component(
            store: any Store = MemoryStore(), subjects: [String] = [], keys: (any KeyGenerator)? = nil,
            _ adjust: (inout InputConfiguration) -> Void = { _ in }
        ) async throws -> Component {
            var input = InputConfiguration(.stream("IN", subjects: subjects, durable: "d"))
            input.backoff = [.milliseconds(50)]
            adjust(&input)
            return try await Component(on: server, store: store) { instance in
                instance.inputs.append(input)
                if let keys { instance.keyGenerator = keys }
                instance.limits.maxObjectSize = 1000
            }
        }

        /// Waits until the consumer has nothing to deliver and nothing to hear of.
        func settle() async throws {
            try await eventually("the pipeline does not come to an end") {
                let info = try await stream.consumerInfo("IN", "d")
                return info.pending == 0 && info.unacknowledged == 0
            }
        }
    }

    private func contents(_ store: any Store) async throws -> [String] {
        var contents: [String] = []
        for key in try await store.list(ListQuery()).keys {
            contents.append(String(decoding: try await store.bytes(key), as: UTF8.self))
        }
        return contents.sorted()
    }

    @Test(arguments: [InputConfiguration.Deduplication.id, .digest, .none])
    func theSameMessageStoresOnce(_ deduplication: InputConfiguration.Deduplication) async throws {
        let rig = try await Rig()
        // It forgets ids soon, the store does not.
        _ = try await rig.stream.updateStream("IN") { $0["duplicate_window"] = .integer(100_000_000) }
        let component = try await rig.component { $0.deduplication = deduplication }
        let references = try await component.client.subscribe("storage.t.stored")
        for (id, content) in [("1", "a"), ("1", "b"), ("2", "a")] {
            try await eventually("the server does not forget") {
                try await !rig.stream.publish(
                    "in.x", headers: ["Nats-Msg-Id": id], payload: Array(content.utf8)
                ).duplicate
            }
        }
        try await rig.settle()
        let expected: [String] =
            switch deduplication {
            case .id: ["a", "a"]
            case .digest: ["a", "b"]
            case .none: ["a", "a", "b"]
            }
        #expect(try await contents(component.store) == expected)
        #expect(try await references.nextJSON()["storage_ref"] != nil)
        try await component.stop()
    }

    @Test(arguments: ServerFlavor.allCases)
    func aMessageDeliveredAgainHasTheSameObjectAndReference(_ flavor: ServerFlavor) async throws {
        let rig = try await Rig(flavor)
        let store = MemoryStore()
        let headers: NATSHeaders = ["Nats-Msg-Id": "id"]
        _ = try await rig.stream.publish("in.x", headers: headers, payload: Array("a".utf8))
        let watcher = try await rig.client.subscribe("storage.t.*")
        var told: [[String: String]] = []
        for _ in 0..<2 {
            let component = try await rig.component(store: store)
            try await rig.settle()
            var round: [String: String] = [:]
            for _ in 0..<2 {
                let message = try await watcher.next(timeout: .seconds(30)).orThrow("nothing is told")
                round[message.subject] = message.headers.first("Nats-Msg-Id")
            }
            told.append(round)
            try await component.stop()
            // As if nobody had heard of it.
            try await rig.stream.deleteConsumer("IN", "d")
        }
        #expect(told[0] == told[1] && Set(told[0].keys) == ["storage.t.events", "storage.t.stored"])
        #expect(Set(told[0].values).count == 2)
        #expect(try await contents(store) == ["a"])
    }

    /// Its numbers begin with 1 again, its messages are others.
    @Test(arguments: [InputConfiguration.Order.none, .key])
    func aStreamThatIsMadeAnewHasOtherMessages(_ order: InputConfiguration.Order) async throws {
        let rig = try await Rig()
        _ = try await rig.stream.createStream(StreamConfiguration(name: "DEAD", subjects: ["dead"]))
        let component = try await rig.component(keys: try NUIDKeyGenerator()) { input in
            input.order = order
            input.deadLetter = "dead"
        }
        func publish(_ contents: [String]) async throws {
            _ = try await rig.stream.publish("in.x", payload: [UInt8](repeating: 7, count: 1001))
            for content in contents {
                let headers: NATSHeaders = order == .key ? ["Storage-Key": "k"] : [:]
                _ = try await rig.stream.publish("in.x", headers: headers, payload: Array(content.utf8))
            }
        }
        try await publish(["a1", "a2", "a3"])
        try await rig.settle()
        try await rig.stream.deleteStream("IN")
        _ = try await rig.stream.createStream(StreamConfiguration(name: "IN", subjects: ["in.>"]))
        try await publish(["b1", "b2"])
        let expected = order == .key ? ["b2"] : ["a1", "a2", "a3", "b1", "b2"]
        try await eventually("stored is \(expected), not what was published") {
            try await contents(component.store) == expected
        }
        try await rig.settle()
        #expect(try await rig.stream.streamInfo("DEAD").state.messages == 2)
        try await component.stop()
    }

    /// Written by versions that did not know the message's time.
    @Test(arguments: [("IN/9", "old"), ("IN/1", "old"), ("IN/1/5", "new"), ("IN/9/5", "new"), ("OTHER/9", "new")])
    func anOldOriginIsUnderstood(_ origin: String, _ expected: String) async throws {
        let rig = try await Rig()
        let store = MemoryStore()
        var options = PutOptions()
        options.attributes.metadata["storage-origin"] = [origin]
        _ = try await store.put("k", ObjectBody("old"), options: options)
        _ = try await rig.stream.publish("in.x", headers: ["Storage-Key": "k"], payload: Array("new".utf8))
        let component = try await rig.component(store: store) { $0.order = .key }
        try await rig.settle()
        #expect(try await contents(store) == [expected])
        try await component.stop()
    }

    /// The references of a store that forgot everything are no duplicates of those from before.
    @Test func aMemoryStoreThatBeginsAnewHasOtherReferences() async throws {
        let rig = try await Rig()
        let references = try await rig.client.subscribe("storage.t.stored")
        var ids: Set<String> = []
        for _ in 0..<2 {
            let component = try await Component(on: rig.server)
            try await rig.client.publish("storage.t.write", headers: ["Storage-Key": "k"], payload: [1])
            let reference = try #require(try await references.next(timeout: .seconds(30)))
            ids.insert(try #require(reference.headers.first("Nats-Msg-Id")))
            try await component.stop()
        }
        #expect(ids.count == 2)
    }

    /// Those that wait for others of their key are among those that are worked on: memory is bounded.
    @Test func whatWaitsInOrderIsBounded() async throws {
        let server = try await NATSServer(.newest)
        let (metrics, gate) = (TestMetrics(), Gate())
        let store = GetStore(beforePut: { await gate.wait() })
        let component = try await Component(on: server, store: store, metrics: metrics) { instance in
            instance.inputs[0].order = .key
            instance.inputs[0].maxInFlight = 4
        }
        for number in 0..<9000 {
            try await component.client.publish("storage.t.write", headers: ["Storage-Key": "k"], payload: [1])
            if number % 1000 == 0 { try await component.client.flush() }
        }
        let lost = try metrics.expectCounter(
            "nats_storage_input_messages_total",
            [("instance", "t"), ("input", "storage.t.write"), ("result", "lost")])
        try await eventually("nothing is counted as lost") { lost.totalValue >= 9000 - 8192 - 8 }
        gate.open()
        try await component.stop()
        #expect(try await store.memory.list(ListQuery()).keys == ["k"])
    }

    /// Nobody can say there whether a stream takes them.
    @Test(arguments: [
        (false, ""), (true, "accounts { A { jetstream: enabled }, B { users: [{user: b}] } }\nno_auth_user: b"),
        (true, "authorization { users: [{user: u, permissions: {publish: {deny: \"$JS.>\"}}}] }\nno_auth_user: u"),
    ])
    func deadLettersNeedNoJetStream(_ hasJetStream: Bool, _ configuration: String) async throws {
        let server = try await NATSServer(.newest, jetStream: hasJetStream, configuration: configuration)
        let component = try await Component(on: server) { instance in
            instance.limits.maxObjectSize = 1000
            instance.inputs[0].deadLetter = "dead"
        }
        let letters = try await component.client.subscribe("dead")
        try await component.client.publish("storage.t.write", payload: [UInt8](repeating: 7, count: 1001))
        let letter = try #require(try await letters.next(timeout: .seconds(30)))
        #expect(letter.payload.count == 1001 && letter.headers.first("Storage-Error-Code") == "too_large")
        try await component.stop()
    }

    @Test(arguments: ServerFlavor.allCases)
    func whatCanNeverBeStoredIsADeadLetter(_ flavor: ServerFlavor) async throws {
        let rig = try await Rig(flavor)
        _ = try await rig.stream.createStream(StreamConfiguration(name: "DEAD", subjects: ["dead"]))
        let component = try await rig.component { $0.deadLetter = "dead" }
        let events = try await component.client.subscribe("storage.t.events")
        let large = [UInt8](repeating: 7, count: 1001)
        _ = try await rig.stream.publish("in.large", headers: ["Storage-Meta-a": "b"], payload: large)
        _ = try await rig.stream.publish("in.fine", payload: [1])
        try await rig.settle()
        let letter = try #require(try await rig.stream.message("DEAD", .sequence(1), direct: false))
        #expect(letter.payload == large && letter.headers.first("Storage-Meta-a") == "b")
        #expect(letter.headers.first("Storage-Error-Code") == "too_large")
        #expect(letter.headers.first("Storage-Error")?.contains("1001 bytes") == true)
        #expect(letter.headers.first("Storage-Subject") == "in.large")
        #expect(letter.headers.first("Storage-Stream") == "IN" && letter.headers.first("Storage-Sequence") == "1")
        var types: [String] = []
        for _ in 0..<2 { types.append(try await events.nextJSON()["type"] as? String ?? "") }
        #expect(types.sorted() == ["failed", "stored"])
        #expect(try await component.store.list(ListQuery()).keys.count == 1)
        try await component.stop()
    }

    @Test func aDeadLetterThatDoesNotFitSaysWhereItsMessageIs() async throws {
        let server = try await NATSServer(.newest, configuration: "max_payload: 4096")
        let component = try await Component(on: server) { instance in
            instance.limits.maxObjectSize = 1000
            instance.inputs[0].deadLetter = "dead"
        }
        let letters = try await component.client.subscribe("dead")
        try await component.client.publish("storage.t.write", payload: [UInt8](repeating: 7, count: 4090))
        let letter = try #require(try await letters.next(timeout: .seconds(30)))
        #expect(letter.payload.isEmpty && letter.headers.first("Storage-Payload-Omitted") == "4090")
        try await component.stop()
    }

    @Test func faultsThatPassArePutUpWith() async throws {
        let rig = try await Rig()
        let memory = MemoryStore()
        let component = try await rig.component(
            store: faultyPuts(memory, every: 2))
        for number in 0..<50 { _ = try await rig.stream.publish("in.x", payload: Array("\(number)".utf8)) }
        try await rig.settle()
        #expect(try await contents(memory) == (0..<50).map { String($0) }.sorted())
        try await component.stop()
    }

    @Test func attemptsAreLimitedWhereAsked() async throws {
        let rig = try await Rig()
        let component = try await rig.component(
            store: faultyPuts(MemoryStore(), every: 1)
        ) { input in
            input.maxDeliver = 3
            input.deadLetter = "dead"
        }
        let letters = try await component.client.subscribe("dead")
        _ = try await rig.stream.publish("in.x", payload: [1])
        let letter = try #require(try await letters.next(timeout: .seconds(30)))
        #expect(letter.headers.first("Storage-Deliveries") == "3")
        try await rig.settle()
        try await component.stop()
    }

    @Test func slowWorkIsNotDeliveredAgain() async throws {
        let rig = try await Rig()
        let puts = Atomic(0)
        let store = GetStore(beforePut: {
            puts.add(1, ordering: .relaxed)
            try? await Task.sleep(for: .seconds(12))
        })
        let component = try await rig.component(store: store) { $0.ackWait = .seconds(4) }
        _ = try await rig.stream.publish("in.x", payload: [1])
        try await eventually("nothing is stored") { try await !component.store.list(ListQuery()).keys.isEmpty }
        try await rig.settle()
        #expect(puts.load(ordering: .relaxed) == 1)
        let redelivered = try await rig.client.request("$JS.API.CONSUMER.INFO.IN.d").payload
        #expect(try json(redelivered)["num_redelivered"] as? Int == 0)
        try await component.stop()
    }

    @Test(arguments: ServerFlavor.allCases)
    func messagesOfAKeyKeepTheirOrder(_ flavor: ServerFlavor) async throws {
        let rig = try await Rig(flavor)
        let store = MemoryStore()
        for number in 0..<300 {
            _ = try await rig.stream.publish(
                "in.x", headers: ["Storage-Key": "k\(number % 3)"], payload: Array("\(number)".utf8))
        }
        let component = try await rig.component(
            store: faultyPuts(store, every: 20)
        ) { $0.order = .key }
        try await rig.settle()
        #expect(try await contents(store) == ["297", "298", "299"])
        try await component.stop()
        // Delivered again, they are all older than what is there.
        try await rig.stream.deleteConsumer("IN", "d")
        let versions = try await store.list(ListQuery(details: true)).objects?.map(\.version)
        let again = try await rig.component(store: store) { $0.order = .key }
        try await rig.settle()
        #expect(try await contents(store) == ["297", "298", "299"])
        #expect(try await store.list(ListQuery(details: true)).objects?.map(\.version) == versions)
        try await again.stop()
    }

    @Test func orderNeedsCompareAndSwap() async throws {
        let rig = try await Rig()
        let store = GetStore(capabilities: [.messageID])
        await #expect(throws: StorageError.self) {
            let component = try await rig.component(store: store) { $0.order = .key }
            try await component.stop()
        }
    }

    @Test(arguments: [DurableConsumer.Deliver.all, .new, .last])
    func consumersBeginWhereTheyAreTold(_ deliver: DurableConsumer.Deliver) async throws {
        let rig = try await Rig()
        for number in 0..<3 { _ = try await rig.stream.publish("in.x", payload: Array("\(number)".utf8)) }
        let component = try await rig.component { $0.deliver = deliver }
        _ = try await rig.stream.publish("in.x", payload: Array("3".utf8))
        try await rig.settle()
        let expected: [String] =
            switch deliver {
            case .all: ["0", "1", "2", "3"]
            case .last: ["2", "3"]
            default: ["3"]
            }
        #expect(try await contents(component.store) == expected)
        try await component.stop()
    }

    @Test func consumersBeginAtATimeAndTakeSeveralSubjects() async throws {
        let rig = try await Rig()
        _ = try await rig.stream.publish("in.a", payload: Array("old".utf8))
        try await Task.sleep(for: .milliseconds(20))
        let time = Date.now
        for subject in ["in.a", "in.b", "in.c"] {
            _ = try await rig.stream.publish(subject, payload: Array(subject.utf8))
        }
        let component = try await rig.component(subjects: ["in.a", "in.c"]) { $0.deliver = .since(time) }
        try await rig.settle()
        #expect(try await contents(component.store) == ["in.a", "in.c"])
        try await component.stop()
    }

    @Test func severalSubjectsNeedANewerServer() async throws {
        let rig = try await Rig(.debian)
        await #expect(throws: NATSError.self) {
            try await rig.component(subjects: ["in.a", "in.c"]).stop()
        }
    }

    /// With its place, and for whoever uses it.
    @Test func aConsumerThatCantBeChangedStaysAsItWas() async throws {
        let rig = try await Rig(.debian)
        for subject in ["in.a", "in.b", "in.a"] { _ = try await rig.stream.publish(subject, payload: [1]) }
        let component = try await rig.component(subjects: ["in.a"])
        try await rig.settle()
        try await component.stop()
        await #expect(throws: NATSError.self) {
            try await rig.component(subjects: ["in.a", "in.c"]).stop()
        }
        let info = try json(try await rig.client.request("$JS.API.CONSUMER.INFO.IN.d").payload)
        #expect((info["config"] as? [String: Any])?["filter_subject"] as? String == "in.a")
        #expect((info["ack_floor"] as? [String: Any])?["stream_seq"] as? Int == 3 && info["num_pending"] as? Int == 0)
    }

    @Test func aConsumerThatIsDeletedIsMadeAgain() async throws {
        let rig = try await Rig()
        let component = try await rig.component()
        _ = try await rig.stream.publish("in.x", payload: Array("a".utf8))
        try await rig.settle()
        try await rig.stream.deleteConsumer("IN", "d")
        _ = try await rig.stream.publish("in.x", payload: Array("b".utf8))
        try await eventually("the second is not stored") { try await contents(component.store) == ["a", "b"] }
        try await component.stop()
    }

    @Test func aStreamThatIsMissingIsSaid() async throws {
        let server = try await NATSServer(.newest)
        let error = await #expect(throws: NATSError.self) {
            try await Component(on: server) { $0.inputs = [.init(.stream("NONE", durable: "d"))] }.stop()
        }
        #expect(error?.message.hasPrefix("there is no stream “NONE”") == true, "\(String(describing: error))")
    }

    @Test func conditionsAreRefusedAndKeysAreTaken() async throws {
        let component = try await Component()
        let events = try await component.client.subscribe("storage.t.events")
        try await component.client.publish(
            "storage.t.write", headers: ["Storage-Key": "k", "Storage-If-None-Match": "*"], payload: [1])
        let failed = try await events.nextJSON()
        #expect((failed["error"] as? [String: Any])?["code"] as? String == "invalid")
        try await component.client.publish("storage.t.write", headers: ["Storage-Key": "k"], payload: [1])
        #expect(try await events.nextJSON()["key"] as? String == "k")
        try await component.stop()
    }
}

/// Puts fail, every nth of them.
private func faultyPuts(_ store: any Store, every count: Int) -> FaultyStore {
    var faults = Faults()
    faults.failEvery = count
    faults.operations = [.put]
    return FaultyStore(store, faults)
}

/// Holds up whoever comes until it is opened.
private final class Gate: Sendable {
    private let isOpen = Atomic(false)

    func open() { isOpen.store(true, ordering: .relaxed) }

    func wait() async {
        while !isOpen.load(ordering: .relaxed) { try? await Task.sleep(for: .milliseconds(5)) }
    }
}
