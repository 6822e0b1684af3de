import JetStreamStorage
import Logging
import NATS
import Storage
import Synchronization
import TestSupport
import Testing

/// Puts that are one batch: all of it is stored, or nothing.
@Suite struct AtomicTests {
    private func fixture(chunkSize: Int = 1000) async throws -> Fixture {
        try await Fixture(.newest) {
            $0.isAtomic = true
            $0.chunkSize = chunkSize
        }
    }

    @Test func objectsOfEverySizeAreStored() async throws {
        let fixture = try await fixture()
        for (index, size) in [0, 1, 1000, 1001, 25_000].enumerated() {
            let key = try ObjectKey(validating: "o/\(size)")
            let info = try await fixture.store.put(key, ObjectBody(bytes(size)))
            #expect(info.size == size && info.digest == Digest(of: bytes(size)), "\(index)")
            #expect(try await fixture.store.bytes(key) == bytes(size))
            let range = GetOptions(range: .bounded(first: size / 2, last: size))
            if size > 1 {
                #expect(
                    try await fixture.store.get(key, options: range).body.collect(upTo: size)
                        == Array(bytes(size)[(size / 2)...]))
            }
        }
        try await fixture.store.put("o/25000", ObjectBody("short now"))
        #expect(try await fixture.chunkCount() == 0 + 1 + 1 + 2 + 1)
        await fixture.close()
    }

    /// More chunks than a batch takes: of a known size they are larger, of an unknown one that is an error.
    @Test func aBatchHasALimit() async throws {
        let fixture = try await fixture(chunkSize: 1024)
        let content = bytes(3 << 20)
        try await fixture.store.put("known", ObjectBody(content))
        #expect(try await fixture.store.bytes("known") == content)
        #expect(try await fixture.chunkCount() <= 999)
        let stream = ObjectBody(size: nil, pull: pulling(bytes(9 << 20), by: 100_000))
        await #expect(throws: StorageError.self) { try await fixture.store.put("unknown", stream) }
        let huge = ObjectBody(size: 2 << 30) { () async throws(StorageError) in nil }
        do {
            try await fixture.store.put("huge", huge)
            Issue.record("2 GiB were taken")
        } catch {
            #expect(error.kind == .tooLarge)
        }
        #expect(try await fixture.store.list(ListQuery()).keys == ["known"])
        #expect(try await fixture.store.removeOrphans(olderThan: .zero) == CleaningReport())
        await fixture.close()
    }

    @Test func aBodyThatFailsLeavesNothing() async throws {
        let fixture = try await fixture()
        try await fixture.store.put("k", ObjectBody("old"))
        let content = bytes(5000)
        let pull = pulling(content, by: 1000)
        let body = ObjectBody(size: 6000, pull: pull)
        await #expect(throws: StorageError.self) { try await fixture.store.put("k", body) }
        let info = try await JetStream(fixture.control).streamInfo("OBJ_B", subjectsFilter: "$O.B.C.>")
        #expect(info.state.subjects?.count == 1)
        #expect(try await fixture.store.bytes("k") == Array("old".utf8))
        await fixture.close()
    }

    @Test func racingWritersLoseNothingAndLeaveNothing() async throws {
        let fixture = try await fixture()
        let store = fixture.store
        try await store.put("counter", ObjectBody("0"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    for round in 0..<5 {
                        try await store.put("shared", ObjectBody(bytes(2500 + writer * 10 + round)))
                        while try await !increment("counter", store) {}
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await store.bytes("counter") == Array("40".utf8))
        #expect(try await store.bytes("shared").count >= 2500)
        #expect(try await fixture.chunkCount() == 1 + 3)
        await fixture.close()
    }

    /// Whether it was this writer's turn.
    private func increment(_ key: ObjectKey, _ store: JetStreamStore) async throws(StorageError) -> Bool {
        let object = try await store.get(key)
        let text = String(decoding: try await object.body.collect(upTo: 100), as: UTF8.self)
        let options = PutOptions(precondition: .matches(object.info.version))
        do throws(StorageError) {
            _ = try await store.put(key, ObjectBody("\((Int(text) ?? 0) + 1)"), options: options)
            return true
        } catch  where error.kind == .preconditionFailed {
            return false
        }
    }

    /// More than the server takes at once, and none of them at hand as a whole.
    @Test func manyStreamsTakeTurns() async throws {
        let fixture = try await fixture()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<80 {
                group.addTask {
                    let pull = pulling(bytes(3000), by: 1000)
                    let body = ObjectBody(size: 3000, trailingDigest: { nil }) { () async throws(StorageError) in
                        try? await Task.sleep(for: .milliseconds(200))
                        return try await pull()
                    }
                    try await fixture.store.put(ObjectKey(validating: "k\(number)"), body)
                }
            }
            try await group.waitForAll()
        }
        #expect(try await fixture.chunkCount() == 80 * 3)
        await fixture.close()
    }

    @Test func messageIDsAreRefused() async throws {
        let fixture = try await fixture()
        #expect(!fixture.store.capabilities.contains(.messageID))
        do {
            _ = try await fixture.store.put("k", ObjectBody("once"), options: PutOptions(messageID: "m1"))
            Issue.record("taken")
        } catch {
            #expect(error.kind == .unsupported)
        }
        await fixture.close()
    }

    /// Acknowledged, then the server is killed: what a sync alone keeps.
    @Test func whatIsAcknowledgedOutlivesTheServer() async throws {
        let fixture = try await fixture()
        for index in 0..<20 {
            try await fixture.store.put(try ObjectKey(validating: "k/\(index)"), ObjectBody(bytes(1500 + index)))
        }
        fixture.server.kill()
        try await fixture.server.start()
        // What is sent before they know that it is gone is lost.
        try await eventually("the connections were not made anew") {
            let (control, bulk) = (await fixture.control.statistics(), await fixture.bulk.statistics())
            return control.reconnects > 0 && bulk.reconnects > 0
        }
        for index in 0..<20 {
            let key = try ObjectKey(validating: "k/\(index)")
            #expect(try await fixture.store.bytes(key) == bytes(1500 + index))
        }
        await fixture.close()
    }

    @Test func aServerOrBucketWithoutBatchesIsToldAtOnce() async throws {
        do {
            _ = try await Fixture(.debian) { $0.isAtomic = true }
            Issue.record("opened")
        } catch let error as StorageError {
            #expect(error.kind == .unsupported)
        }
        let plain = try await Fixture(.newest)
        var configuration = BucketConfiguration(name: "B")
        configuration.isAtomic = true
        do {
            _ = try await JetStreamStore.open(
                configuration, control: plain.control, bulk: plain.bulk, logger: Logger(label: "test"))
            Issue.record("opened")
        } catch {
            #expect(error.kind == .unsupported)
        }
        await plain.close()
    }

    private func pulling(_ content: [UInt8], by size: Int) -> ObjectBody.Pull {
        let offset = Mutex(0)
        return { () async throws(StorageError) in
            let start = offset.withLock { offset in
                defer { offset += size }
                return offset
            }
            return start < content.count ? Array(content[start..<min(start + size, content.count)]) : nil
        }
    }
}
