import Foundation
import MetricsTestKit
import NATS
import Storage
import StorageService
import TestSupport
import Testing

/// Where events and references go.
@Suite struct OutputTests {
    private func server(_ flavor: ServerFlavor = .newest) async throws -> (NATSServer, JetStream) {
        let server = try await NATSServer(flavor)
        var options = NATSOptions()
        options.urls = [server.url]
        let stream = JetStream(try await NATSConnection.connect(options))
        _ = try await stream.createStream(StreamConfiguration(name: "NOTICES", subjects: ["notices.>"]))
        return (server, stream)
    }

    private func stored(_ subject: String = "notices.{type}") -> OutputConfiguration {
        var output = OutputConfiguration(subject: subject)
        output.delivery = .jetStream
        return output
    }

    /// What the stream holds, as it came.
    private func messages(_ stream: JetStream) async throws -> [StoredMessage] {
        var messages: [StoredMessage] = []
        try await stream.scan("NOTICES", filter: ">", startSequence: 1) { messages.append($0) }
        return messages
    }

    @Test(arguments: ServerFlavor.allCases)
    func aStopLosesNoEvent(_ flavor: ServerFlavor) async throws {
        let (server, stream) = try await server(flavor)
        let component = try await Component(on: server) { $0.events = [stored()] }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    for round in 0..<50 {
                        _ = try await component.ask("put", "\(round)", ["Storage-Key": "k\(number)"])
                    }
                }
            }
            try await group.waitForAll()
        }
        try await component.stop()
        var versions: [String: [Int]] = [:]
        for message in try await messages(stream) {
            let event = try json(message.payload)
            #expect(message.subject == "notices.stored")
            #expect(message.headers.first("Nats-Msg-Id") == event["id"] as? String)
            versions[event["key"] as? String ?? "", default: []].append(Int(event["version"] as? String ?? "") ?? 0)
        }
        #expect(versions.count == 8 && versions.values.allSatisfy { $0.count == 50 && $0 == $0.sorted() })
    }

    @Test func outputsTakeWhatTheyAreToTake() async throws {
        let (server, stream) = try await server()
        let component = try await Component(on: server) { instance in
            var deletions = stored("notices.gone.{instance}")
            deletions.types = [.deleted]
            var sampled = stored("notices.some.{type}")
            sampled.types = [.retrieved, .failed]
            sampled.sample = 0.5
            var never = stored("notices.never")
            never.types = [.retrieved]
            never.sample = 0
            instance.events = [deletions, sampled, never]
            instance.stored = [stored("notices.reference")]
        }
        _ = try await component.ask("put", "x", ["Storage-Key": "k"])
        for _ in 0..<400 { _ = try await component.ask("get", "k") }
        _ = try await component.ask("put", "x", ["Storage-Key": "k", "Storage-If-None-Match": "*"])
        _ = try await component.ask("delete", "k")
        try await component.client.publish("storage.t.write", payload: [1])
        try await eventually("nothing is stored") { try await !component.store.list(ListQuery()).keys.isEmpty }
        try await component.stop()
        var counts: [String: Int] = [:]
        for message in try await messages(stream) { counts[message.subject, default: 0] += 1 }
        #expect(counts["notices.gone.t"] == 1 && counts["notices.some.failed"] == 1)
        #expect(counts["notices.never"] == nil && counts["notices.reference"] == 1)
        // Chance alone puts it outside of this once in some 10^23 times.
        #expect((100...300).contains(counts["notices.some.retrieved"] ?? 0))
        #expect(counts.count == 4)
    }

    @Test func cloudEventsAreAsTheirSpecificationHasThem() async throws {
        let component = try await Component { instance in
            instance.events[0].format = .cloudEvents
            instance.stored[0].format = .cloudEvents
        }
        let told = try await component.client.subscribe("storage.t.*")
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        try await component.client.publish(
            "storage.t.write", headers: ["traceparent": trace, "Storage-Key": "a b/\"ü"], payload: [1])
        var sources: Set<String> = []
        var types: Set<String> = []
        while types.count < 2 {
            let message = try #require(try await told.next(timeout: .seconds(30)))
            guard !message.subject.hasSuffix("write") else { continue }
            let event = try json(message.payload)
            try checkAttributes(event)
            #expect(message.headers.first("content-type") == "application/cloudevents+json")
            #expect(event["subject"] as? String == "a b/\"ü" && event["traceparent"] as? String == trace)
            #expect(event["datacontenttype"] as? String == "application/json" && event["data"] is [String: Any])
            #expect(event["id"] as? String == message.headers.first("Nats-Msg-Id"))
            sources.insert("\(event["source"] ?? "") \(event["id"] ?? "")")
            types.insert(event["type"] as? String ?? "")
        }
        #expect(types == ["nats-storage.stored", "nats-storage.reference"] && sources.count == 2)
        try await component.stop()
    }

    /// CloudEvents 1.0: four required attributes, none of them empty; names of lower-case letters and digits; a source that
    /// is a URI reference, a time as RFC 3339 has it.
    private func checkAttributes(_ event: [String: Any]) throws {
        #expect(event["specversion"] as? String == "1.0")
        for name in ["id", "source", "type"] { #expect((event[name] as? String)?.isEmpty == false, "\(name)") }
        for name in event.keys {
            #expect(name.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) }, "\(name)")
        }
        #expect(URL(string: event["source"] as? String ?? "") != nil)
        let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        #expect((try? format.parse(event["time"] as? String ?? "")) != nil)
        #expect(event.filter { $0.key != "data" }.values.allSatisfy { $0 is String })
    }

    @Test func whatFindsNoRoomIsCounted() async throws {
        let (server, stream) = try await server()
        let metrics = TestMetrics()
        let store = MemoryStore()
        let component = try await Component(on: server, store: store, metrics: metrics) { $0.events = [stored()] }
        let options = PutOptions(timeToLive: .seconds(2))
        // Gone before the first of them expires, however long the puts take.
        server.kill()
        for number in 0..<9000 {
            _ = try await store.put(ObjectKey(validating: "k/\(number)"), ObjectBody("x"), options: options)
        }
        let dropped = try metrics.expectCounter(
            "nats_storage_events_dropped_total", [("instance", "t"), ("reason", "backlog")])
        try await eventually("nothing is dropped") { dropped.totalValue >= 9000 - 8192 }
        try await server.start()
        try await eventually("not all are stored", within: .seconds(180)) {
            (try? await stream.streamInfo("NOTICES"))?.state.messages ?? 0 >= 8192
        }
        try await component.stop()
        #expect(try await stream.streamInfo("NOTICES").state.messages == 8192)
        #expect(dropped.totalValue == 9000 - 8192)
    }

    @Test func aStopWhileNATSIsAwayComesToAnEnd() async throws {
        let (server, stream) = try await server()
        let component = try await Component(on: server) { instance in
            instance.events = [stored()]
            instance.inputs.append(.init(.stream("NOTICES", subjects: ["notices.in"], durable: "d")))
        }
        _ = try await stream.publish("notices.in", payload: [1])
        try await eventually("no event") { try await messages(stream).count >= 2 }
        server.kill()
        try await component.stop()
        try await server.start()
        try await eventually("the stream is away") { (try? await stream.streamInfo("NOTICES")) != nil }
        #expect(try await messages(stream).count == 2)
    }

    @Test func anOutputWithoutAStreamIsSaid() async throws {
        let server = try await NATSServer(.newest)
        await #expect(throws: NATSError.self) {
            try await Component(on: server) { $0.events = [stored()] }.stop()
        }
    }
}
