import Foundation
import JetStreamStorage
import Logging
import NATS
import Storage
import TestSupport
import Testing

/// Chunks with others' between them, indexes whose feed is lost, readers that take their time.
@Suite struct GapTests {
    /// Chunks of `nuid` and, behind each where `gaps` says so, one of another object.
    private func store(_ chunks: [[UInt8]], _ nuid: String, gaps: Bool, _ stream: JetStream) async throws {
        for chunk in chunks {
            _ = try await stream.publish("$O.B.C.\(nuid)", payload: chunk)
            if gaps { _ = try await stream.publish("$O.B.C.OTHER", payload: [UInt8](repeating: 7, count: chunk.count)) }
        }
        let content = Array(chunks.joined())
        let meta = """
            {"name":"\(nuid)","options":{"max_chunk_size":1000},"bucket":"B","nuid":"\(nuid)","size":\(content.count),
             "chunks":\(chunks.count),"digest":"\(Digest(of: content))"}
            """
        let subject = "$O.B.M." + Data(nuid.utf8).base64EncodedString()
        _ = try await stream.publish(subject, headers: ["Nats-Rollup": "sub"], payload: Array(meta.utf8))
    }

    @Test(arguments: ServerFlavor.allCases)
    func othersMayWriteBetweenTheChunks(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let stream = JetStream(fixture.control)
        let content = bytes(40_500)
        let chunks = stride(from: 0, to: content.count, by: 1000).map {
            Array(content[$0..<min($0 + 1000, content.count)])
        }
        for (name, gaps) in [("abc", true), ("def", false)] {
            try await store(chunks, name, gaps: gaps, stream)
            let key = try ObjectKey(validating: name)
            #expect(try await fixture.store.bytes(key) == content)
            for range in [0..<1, 999..<1001, 5000..<6000, 17_500..<40_499, 40_499..<40_500] {
                let options = GetOptions(range: .bounded(first: range.lowerBound, last: range.upperBound - 1))
                let part = try await fixture.store.get(key, options: options)
                #expect(try await part.body.collect(upTo: 50_000) == Array(content[range]), "\(name) \(range)")
            }
        }
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func aSlowReaderGetsTheWholeObject(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) {
            $0.chunkSize = 256 << 10
            $0.timeout = .seconds(2)
        }
        let patient = try await fixture.another { $0.chunkSize = 256 << 10 }
        let content = bytes(9 << 20)
        try await patient.put("large", ObjectBody(content))
        try await patient.put("small", ObjectBody("x"))
        var received: [UInt8] = []
        for try await chunk in try await fixture.store.get("large").body {
            received += chunk
            // Longer than a request may take, so that what was asked for ahead has been there for long.
            if received.count % (4 << 20) == 0 { try await Task.sleep(for: .milliseconds(2500)) }
            #expect(try await fixture.store.bytes("small") == Array("x".utf8))
        }
        #expect(received == content)
        await fixture.close()
    }

    /// Building an index may take longer than an answer of the server: here every message is asked for.
    @Test func aLargeIndexIsBuiltHoweverLongItTakes() async throws {
        let fixture = try await Fixture(.debian)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for first in 0..<32 {
                group.addTask {
                    for number in stride(from: first, to: 32_000, by: 32) {
                        try await fixture.store.put(ObjectKey(validating: "k\(number)"), ObjectBody([]))
                    }
                }
            }
            try await group.waitForAll()
        }
        var options = NATSOptions()
        options.urls = [fixture.server.url]
        let connection = try await NATSConnection.connect(options)
        var configuration = BucketConfiguration(name: "B")
        configuration.timeout = .seconds(1)
        let other = try await JetStreamStore.open(
            configuration, control: connection, bulk: connection, logger: Logger(label: "test"))
        #expect(try await other.list(ListQuery(prefix: "k1599")).keys.count == 11)
        await connection.close()
        await fixture.close()
    }

    /// Somebody removes the consumers that feed indexes; lists stay complete.
    @Test(arguments: ServerFlavor.allCases)
    func anIndexWithoutItsFeedFindsItsWay(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        var options = NATSOptions()
        options.urls = [fixture.server.url]
        let connection = try await NATSConnection.connect(options)
        let other = try await JetStreamStore.open(
            BucketConfiguration(name: "B"), control: connection, bulk: connection, logger: Logger(label: "test"))
        try await fixture.store.put("first", ObjectBody("x"))
        #expect(try await fixture.store.list(ListQuery()).keys == ["first"])
        let program = """
            import asyncio, sys, nats
            async def main():
                nc = await nats.connect(sys.argv[1])
                js = nc.jetstream()
                for consumer in await js.consumers_info("OBJ_B"):
                    await js.delete_consumer("OBJ_B", consumer.name)
                await nc.close()
            asyncio.run(main())
            """
        _ = try await python(program, [fixture.server.url])
        for number in 0..<50 { try await other.put(try ObjectKey(validating: "k\(number)"), ObjectBody("x")) }
        try await other.delete("first")
        #expect(try await fixture.store.list(ListQuery()).keys.count == 50)
        await connection.close()
        await fixture.close()
    }

    /// A consumer that delivers nothing, though there is something, says so in no heartbeat; a paused one is like that.
    @Test func anIndexWhoseFeedStandsStillAsksForWhatIsNew() async throws {
        let fixture = try await Fixture(.newest)
        try await fixture.store.put("first", ObjectBody("x"))
        #expect(try await fixture.store.list(ListQuery()).keys == ["first"])
        let program = """
            import asyncio, json, sys, nats
            async def main():
                nc = await nats.connect(sys.argv[1])
                for consumer in await nc.jetstream().consumers_info("OBJ_B"):
                    pause = json.dumps({"pause_until": "2100-01-01T00:00:00Z"}).encode()
                    answer = await nc.request(f"$JS.API.CONSUMER.PAUSE.OBJ_B.{consumer.name}", pause)
                    print(json.loads(answer.data)["paused"])
                await nc.close()
            asyncio.run(main())
            """
        #expect(try await python(program, [fixture.server.url]) == "True\n")
        let other = try await fixture.another()
        for number in 0..<50 { try await other.put(try ObjectKey(validating: "k\(number)"), ObjectBody("x")) }
        try await other.delete("first")
        #expect(try await fixture.store.list(ListQuery()).keys.count == 50)
        #expect(try await fixture.store.bytes("k7") == Array("x".utf8))
        await other.shutdown()
        await fixture.close()
    }

    /// The server goes while nobody looks, and others write before this program is back.
    @Test(arguments: ServerFlavor.allCases)
    func anIndexThatWasAwayMissesNothing(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.timeout = .seconds(5) }
        try await fixture.store.put("first", ObjectBody("x"))
        #expect(try await fixture.store.list(ListQuery()).keys == ["first"])
        fixture.server.kill()
        try await fixture.server.start()
        var options = NATSOptions()
        options.urls = [fixture.server.url]
        let connection = try await NATSConnection.connect(options)
        let other = try await JetStreamStore.open(
            BucketConfiguration(name: "B"), control: connection, bulk: connection, logger: Logger(label: "test"))
        for number in 0..<50 { try await other.put(try ObjectKey(validating: "k\(number)"), ObjectBody("x")) }
        try await other.delete("first")
        var keys: [ObjectKey]?
        try await eventually("no list") {
            keys = try? await fixture.store.list(ListQuery()).keys
            return keys != nil
        }
        #expect(keys?.count == 50)
        await connection.close()
        await fixture.close()
    }
}
