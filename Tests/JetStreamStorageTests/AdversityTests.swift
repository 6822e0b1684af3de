import Foundation
import JetStreamStorage
import NATS
import Storage
import Synchronization
import TestSupport
import Testing

/// Servers that stall or are full, callers that give up, and many of them.
@Suite struct AdversityTests {
    @Test(arguments: ServerFlavor.allCases)
    func aStalledServerIsATimeout(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.timeout = .seconds(2) }
        let patient = try await fixture.another()
        // More than is read ahead.
        let content = bytes(16 << 20)
        try await patient.put("k", ObjectBody(content))
        var reader = try await fixture.store.get("k").body.makeAsyncIterator()
        var read = try #require(try await reader.next())
        try await fixture.server.pause()
        for operation in [0, 1, 2] {
            await #expect {
                switch operation {
                case 0: _ = try await fixture.store.get("k")
                case 1: _ = try await fixture.store.put("k", ObjectBody("new"))
                default: _ = try await fixture.store.list(ListQuery())
                }
            } throws: { ($0 as? StorageError)?.errorClass == .transient }
        }
        await #expect { while try await reader.next() != nil {} } throws: { ($0 as? StorageError)?.kind == .timeout }
        fixture.server.signal(SIGCONT)
        try await eventually("no info") { (try? await fixture.store.info("k")) != nil }
        // It stood still for about as long as it gives its clients to read: it may cut a connection now, and what was just
        // asked on it has no answer.
        try await eventually("no object") {
            guard let object = try? await patient.get("k") else { return false }
            read = (try? await object.body.collect(upTo: content.count)) ?? []
            return !read.isEmpty
        }
        #expect(read == content || read == Array("new".utf8))
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func aFullBucketKeepsTheOldObject(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.maxBytes = 1 << 20 }
        let content = bytes(300_000)
        try await fixture.store.put("k", ObjectBody(content))
        await #expect { try await fixture.store.put("k", ObjectBody(bytes(2 << 20))) } throws: {
            let error = $0 as? StorageError
            return error?.kind == .unavailable && error?.description.contains("limits") == true
        }
        #expect(try await fixture.store.bytes("k") == content)
        #expect(try await fixture.chunkCount() == 3)
        try await fixture.store.put("other", ObjectBody(bytes(300_000)))
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func manyAtOnce(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let store = fixture.store
        try await store.put("k", ObjectBody("x"))
        let found = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<10_000 { group.addTask { (try? await store.info("k"))?.size == 1 } }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(found == 10_000)
        // The index has requests of its own.
        try await eventually("a request still waits") { fixture.control.pendingRequestCount == 0 }
        await fixture.close()
    }

    /// More than a server takes at once would be refused, or count as lost.
    @Test func manyLargePutsShareWhatIsOnItsWay() async throws {
        let fixture = try await Fixture(.newest)
        let (puts, chunk) = (32, bytes(128 << 10))
        let begun = Atomic(0)
        let mayGoOn = Atomic(false)
        try await withThrowingTaskGroup { group in
            for number in 0..<puts {
                let key = try ObjectKey(validating: "\(number)")
                let left = Mutex(64)
                let body = ObjectBody(size: 64 * chunk.count) { () async throws(StorageError) in
                    if left.withLock({ $0 }) == 64 {
                        begun.add(1, ordering: .relaxed)
                        while !mayGoOn.load(ordering: .relaxed) { try? await Task.sleep(for: .milliseconds(5)) }
                    }
                    return left.withLock { left in
                        left -= 1
                        return left < 0 ? nil : chunk
                    }
                }
                group.addTask { try await fixture.store.put(key, body).size }
            }
            try await eventually("not all begin") { begun.load(ordering: .relaxed) == puts }
            try await fixture.server.pause()
            mayGoOn.store(true, ordering: .relaxed)
            try await eventually("nothing is sent") { fixture.bulk.pendingRequestCount == (4 << 20) / chunk.count }
            try await Task.sleep(for: .milliseconds(100))
            #expect(fixture.bulk.pendingRequestCount == (4 << 20) / chunk.count)
            fixture.server.signal(SIGCONT)
            for try await size in group { #expect(size == 64 * chunk.count) }
        }
        #expect(fixture.bulk.pendingRequestCount == 0)
        await fixture.close()
    }

    /// A server that takes four messages at once: large puts go on with what it refused.
    @Test func whatIsRefusedForItsNumberIsSentAgain() async throws {
        let server = try await NATSServer(.newest, options: "\n max_buffered_msgs: 4")
        let fixture = try await Fixture(on: server) { $0.chunkSize = 1000 }
        for (key, size) in [("a", 300_000), ("b", 300_500)] {
            let key = try ObjectKey(validating: key)
            try await fixture.store.put(key, ObjectBody(bytes(size)))
            #expect(try await fixture.store.bytes(key) == bytes(size))
            let options = GetOptions(range: .bounded(first: 150_000, last: 150_099))
            let part = try await fixture.store.get(key, options: options)
            #expect(try await part.body.collect(upTo: 100) == Array(bytes(size)[150_000..<150_100]))
        }
        #expect(try await fixture.chunkCount() == 601)
        await fixture.close()
    }

    @Test func callersThatGiveUpLeaveNothing() async throws {
        let fixture = try await Fixture(.newest)
        let store = fixture.store
        try await store.put("k", ObjectBody(bytes(500_000)))
        for delay in 0..<200 {
            let task = Task {
                _ = try await store.bytes("k")
                _ = try await store.put("other", ObjectBody(bytes(300_000)))
            }
            try await Task.sleep(for: .microseconds(delay * 50))
            task.cancel()
            _ = await task.result
        }
        await store.finishPurging()
        try await eventually("a request still waits") {
            fixture.control.pendingRequestCount == 0 && fixture.bulk.pendingRequestCount == 0
        }
        let stored = (try? await store.info("other"))?.size ?? 0
        #expect(stored == 0 || stored == 300_000)
        #expect(try await fixture.chunkCount() == 4 + (stored == 0 ? 0 : 3))
        await fixture.close()
    }

    /// Many puts of one key take turns; those that were given up must not take theirs, after others have gone on.
    @Test(arguments: ServerFlavor.allCases)
    func whatWasGivenUpIsNotStoredLater(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        _ = try await fixture.store.list(ListQuery())
        for _ in 0..<3 {
            let puts = (0..<200).map { number in
                Task { try await fixture.store.put("key", ObjectBody("given up \(number)")) }
            }
            try await Task.sleep(for: .milliseconds(20))
            for put in puts { put.cancel() }
            // As long as those may take that were sent before.
            try await Task.sleep(for: .milliseconds(50))
            let last = try await fixture.store.put("key", ObjectBody("last"))
            for put in puts { _ = await put.result }
            #expect(try await fixture.store.info("key").version == last.version)
            #expect(try await fixture.chunkCount() == 1)
        }
        await fixture.close()
    }

    /// A put that repeats one whose object is gone has been done.
    @Test(arguments: ServerFlavor.allCases)
    func aRepeatedPutOfADeletedObjectIsDone(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        var options = PutOptions()
        options.messageID = "one"
        let first = try await fixture.store.put("key", ObjectBody("x"), options: options)
        #expect(try await fixture.store.delete("key"))
        let second = try await fixture.store.put("key", ObjectBody("x"), options: options)
        #expect((second.version, second.size) == (first.version, 1))
        #expect(try await fixture.store.list(ListQuery()).keys.isEmpty)
        await fixture.close()
    }
}
