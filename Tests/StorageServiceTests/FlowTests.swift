import Foundation
import NATS
import Storage
import StorageService
import TestSupport
import Testing

@Suite struct FlowTests {
    private func part(
        _ component: Component, _ subject: String, _ number: Int, _ bytes: [UInt8]
    ) async throws -> Int {
        try await component.ask(subject: subject, bytes, ["Storage-Part": String(number)]).status
    }

    @Test(arguments: ServerFlavor.allCases)
    func uploads(_ flavor: ServerFlavor) async throws {
        let component = try await Component(flavor)
        let opened = try json(await component.ask("upload", "", ["Storage-Key": "up", "Storage-Meta-a": "b"]).body)
        let subject = try #require(opened["part_subject"] as? String)
        let parts = (0..<20).map { [UInt8](repeating: UInt8($0), count: 1000) }
        #expect(try await part(component, subject, 1, parts[0]) == 200)
        async let third = part(component, subject, 3, parts[2])
        async let second = part(component, subject, 2, parts[1])
        #expect(try await [second, third] == [200, 200])
        #expect(try await part(component, subject, 2, parts[1]) == 200)
        #expect(try await part(component, subject, 99, parts[1]) == 400)
        for number in 4...20 { #expect(try await part(component, subject, number, parts[number - 1]) == 200) }
        #expect(try await component.ask("info", "up").status == 404)
        let digest = Digest(of: parts.flatMap { $0 })
        let done = try await component.ask(subject: subject, [], ["Storage-Commit": digest.description])
        #expect(try json(done.body)["size"] as? Int == 20_000)
        let again = try await component.ask(subject: subject, [], ["Storage-Commit": "-"])
        #expect(again.body == done.body)
        #expect(try await component.ask("get", "up").body == parts.flatMap { $0 })
        try await component.stop()
    }

    @Test func uploadsThatFailLeaveNothing() async throws {
        let component = try await Component { $0.limits.uploadIdle = .seconds(5) }
        func open(_ key: String, _ headers: NATSHeaders = [:]) async throws -> String {
            var headers = headers
            headers.set("Storage-Key", key)
            return try (json(await component.ask("upload", "", headers).body)["part_subject"] as? String)
                .orThrow("no part subject")
        }
        let wrong = try await open("wrong")
        _ = try await part(component, wrong, 1, [1])
        let mismatch = try await component.ask(
            subject: wrong, [], ["Storage-Commit": Digest(of: [2]).description])
        #expect(mismatch.status == 422)
        let aborted = try await open("aborted")
        _ = try await part(component, aborted, 1, [1])
        #expect(try await component.ask(subject: aborted, [], ["Storage-Abort": "1"]).status == 200)
        #expect(try await component.ask(subject: aborted, [], ["Storage-Commit": "-"]).status == 404)
        let silent = try await open("silent")
        #expect(try await part(component, silent, 1, [1]) == 200)
        try await eventually("a silent upload stays") { try await part(component, silent, -1, []) != 400 }
        #expect(try await component.ask(subject: silent, [], ["Storage-Commit": "-"]).status == 404)
        _ = try await component.ask("put", "there", ["Storage-Key": "taken"])
        let taken = try await open("taken", ["Storage-If-None-Match": "*"])
        #expect(try await component.ask(subject: taken, [], ["Storage-Commit": "-"]).status == 412)
        #expect(try json(await component.ask("list").body)["keys"] as? [String] == ["taken"])
        try await component.stop()
    }

    @Test(arguments: ServerFlavor.allCases)
    func whatExpiresIsAnEvent(_ flavor: ServerFlavor) async throws {
        let component = try await Component(flavor)
        let events = try await component.client.subscribe("storage.t.events")
        let put = try await component.ask("put", "abc", ["Storage-Key": "k", "Storage-TTL": "1"])
        let version = try #require(try json(put.body)["version"] as? String)
        #expect(try await events.nextJSON()["type"] as? String == "stored")
        let expired = try await events.nextJSON()
        #expect(expired["type"] as? String == "expired" && expired["key"] as? String == "k")
        #expect(expired["version"] as? String == version && expired["size"] as? Int == 3)
        #expect(try await component.ask("get", "", ["Storage-Key": "k"]).status == 404)
        try await component.stop()
    }

    /// Whoever keeps a mirror would delete what is there.
    @Test func whatWasReplacedMeanwhileIsNotToldAsExpired() async throws {
        let infos = try ["replaced", "gone"].map { key in
            ObjectInfo(
                key: try ObjectKey(validating: key), size: 1, version: Version("old"), digest: nil, modified: .now)
        }
        let store = GetStore(maintainer: { () async throws(StorageError) in
            Upkeep(expired: infos, next: .distantFuture)
        })
        try await store.put("replaced", ObjectBody("new"))
        let server = try await NATSServer(.newest)
        var options = NATSOptions()
        options.urls = [server.url]
        let client = try await NATSConnection.connect(options)
        let events = try await client.subscribe("storage.t.events")
        try await client.flush()
        let component = try await Component(on: server, store: store)
        let expired = try await events.nextJSON()
        #expect(expired["type"] as? String == "expired" && expired["key"] as? String == "gone")
        try await component.stop()
        await client.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func eventsOfAKeyComeInOrder(_ flavor: ServerFlavor) async throws {
        let component = try await Component(flavor)
        let events = try await component.client.subscribe("storage.t.events")
        _ = try await component.ask("put", "1", ["Storage-Key": "k", "Storage-Meta-a": "b", "traceparent": "00-x"])
        _ = try await component.ask("get", "k")
        _ = try await component.ask("put", "2", ["Storage-Key": "k", "Storage-If-None-Match": "*"])
        _ = try await component.ask("delete", "k")
        let stored = try await events.nextJSON()
        #expect(stored["type"] as? String == "stored" && stored["key"] as? String == "k")
        #expect(stored["metadata"] as? [String: [String]] == ["a": ["b"]])
        #expect(stored["instance"] as? String == "t" && stored["size"] as? Int == 1)
        #expect((stored["trace"] as? [String: String])?["traceparent"] == "00-x")
        #expect(try await events.nextJSON()["type"] as? String == "retrieved")
        let failed = try await events.nextJSON()
        #expect(failed["type"] as? String == "failed" && failed["operation"] as? String == "put")
        #expect((failed["error"] as? [String: String])?["code"] == "precondition_failed")
        #expect(try await events.nextJSON()["type"] as? String == "deleted")
        try await component.stop()
    }

    @Test func racingWritersTellTheirOrder() async throws {
        let component = try await Component()
        let events = try await component.client.subscribe("storage.t.events")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<50 {
                group.addTask { _ = try await component.ask("put", "\(number)", ["Storage-Key": "k"]) }
            }
            try await group.waitForAll()
        }
        var versions: [Int] = []
        for _ in 0..<50 { versions.append(Int(try await events.nextJSON()["version"] as? String ?? "") ?? 0) }
        #expect(versions == versions.sorted())
        try await component.stop()
    }

    @Test(arguments: ServerFlavor.allCases)
    func writesPassReferencesOn(_ flavor: ServerFlavor) async throws {
        let component = try await Component(flavor)
        let references = try await component.client.subscribe("storage.t.stored")
        let headers: NATSHeaders = ["Content-Type": "text/plain", "Storage-Meta-a": "b", "Nats-Msg-Id": "1"]
        try await component.client.publish("storage.t.write", headers: headers, payload: Array("hi".utf8))
        try await component.client.publish("storage.t.write", headers: headers, payload: Array("hi".utf8))
        let reference = try await references.nextJSON()
        let inner = try #require(reference["storage_ref"] as? [String: Any])
        #expect(inner["storage_instance"] as? String == "t" && inner["content_type"] as? String == "text/plain")
        #expect(inner["size"] as? Int == 2)
        #expect(reference["metadata"] as? [String: [String]] == ["a": ["b"]])
        let key = try #require(inner["key"] as? String)
        #expect(try await component.ask("get", key).body == Array("hi".utf8))
        let second = try await references.nextJSON()["storage_ref"] as? [String: Any]
        #expect(second?["key"] as? String == key)
        #expect(try await component.store.list(ListQuery()).keys.count == 1)
        try await component.stop()
    }

    @Test func headersAreKeptWhateverTheExtractor() async throws {
        let component = try await Component { $0.metadataExtractor = JSONMetadataExtractor(fields: ["a", "b"]) }
        let references = try await component.client.subscribe("storage.t.stored")
        let headers: NATSHeaders = ["Storage-Meta-x": "1", "Storage-Meta-b": "2", "Storage-Metadata": #"{"n n":[""]}"#]
        try await component.client.publish(
            "storage.t.write", headers: headers, payload: Array(#"{"a":"3","b":"4"}"#.utf8))
        let metadata = try await references.nextJSON()["metadata"] as? [String: [String]]
        #expect(metadata == ["x": ["1"], "a": ["3"], "b": ["4"], "n n": [""]])
        try await component.stop()
    }

    @Test(arguments: ServerFlavor.allCases)
    func streamsAreStoredOnce(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        var options = NATSOptions()
        options.urls = [server.url]
        let producer = try await NATSConnection.connect(options)
        let stream = JetStream(producer)
        _ = try await stream.createStream(StreamConfiguration(name: "SENSORS", subjects: ["sensors.>"]))
        for number in 0..<100 { _ = try await stream.publish("sensors.\(number)", payload: Array("\(number)".utf8)) }
        _ = try await stream.publish("sensors.large", payload: [UInt8](repeating: 0, count: 101))
        let component = try await Component(on: server) {
            $0.limits.maxObjectSize = 100
            $0.inputs.append(.init(.stream("SENSORS", subjects: ["sensors.>"], durable: "storage")))
        }
        try await eventually("not all are stored") { try await component.store.list(ListQuery()).keys.count >= 100 }
        try await eventually("not all are settled") { try await unsettled(stream) == 0 }
        var stored: Set<String> = []
        for key in try await component.store.list(ListQuery()).keys {
            stored.insert(String(decoding: try await component.store.bytes(key), as: UTF8.self))
        }
        #expect(stored == Set((0..<100).map { String($0) }))
        try await component.stop()
        await producer.close()
    }

    /// How many messages the consumer still has to deliver or hear of.
    private func unsettled(_ stream: JetStream) async throws -> UInt64 {
        let info = try await stream.consumerInfo("SENSORS", "storage")
        return info.pending + (info.unacknowledged ?? 0)
    }

    @Test(arguments: ServerFlavor.allCases)
    func stoppingAnswersWhatIsUnderWay(_ flavor: ServerFlavor) async throws {
        let store = GetStore { () async throws(StorageError) in try? await Task.sleep(for: .milliseconds(100)) }
        let component = try await Component(on: NATSServer(flavor), store: store)
        try await store.put("k", ObjectBody("x"))
        let events = try await component.client.subscribe("storage.t.events")
        let other = try await component.anotherClient()
        let requests = (0..<200).map { _ in
            Task { () -> String in
                do {
                    let reply = try await other.request(
                        "storage.t.get", payload: Array("k".utf8), timeout: .seconds(60))
                    return reply.headers.first("Nats-Service-Error-Code") ?? "200"
                } catch {
                    return (error as? NATSError)?.code == .noResponders ? "nobody" : "\(error)"
                }
            }
        }
        // Some are answered, the others are under way or not sent yet.
        _ = try await events.nextJSON()
        try await component.stop()
        var outcomes: [String: Int] = [:]
        for request in requests { outcomes[await request.value, default: 0] += 1 }
        #expect(Set(outcomes.keys).isSubset(of: ["200", "503", "nobody"]), "\(outcomes)")
        #expect(outcomes["200", default: 0] > 0)
        await other.close()
    }
}
