import Foundation
import GRDB
import SQLiteStorage
import Storage
import Synchronization
import TestSupport
import Testing

@Suite struct SQLiteStoreTests {
    private let large = bytes(1_500_001)

    @Test func everythingIsThereAfterReopening() async throws {
        let folder = DatabaseFolder()
        let attributes = ObjectAttributes(
            contentType: "text/\u{0}\"", contentEncoding: "gzip", metadata: ["a": ["1", ""], "é\n": ["\u{1F600}"]])
        var store = try await folder.store()
        let small = try await store.put("a", ObjectBody("small"), options: PutOptions(attributes: attributes))
        let big = try await store.put("b", ObjectBody(large), options: PutOptions(timeToLive: .seconds(1000)))
        let empty = try await store.put("c", ObjectBody([]))
        await store.shutdown()
        store = try await folder.store()
        let page = try await store.list(ListQuery(details: true))
        #expect(page.objects == [small, big, empty])
        #expect(try await store.info("a") == small)
        #expect(try await store.bytes("b") == large)
        #expect(try await store.bytes("c") == [])
        let options = PutOptions(precondition: .matches(small.version))
        _ = try await store.put("a", ObjectBody("next"), options: options)
        await #expect { try await store.put("a", ObjectBody("late"), options: options) } throws: {
            ($0 as? StorageError)?.kind == .preconditionFailed
        }
        await store.shutdown()
    }

    /// In one process many writers share a transaction: each still gets its own outcome.
    @Test func writersThatWaitTogether() async throws {
        let folder = DatabaseFolder()
        let store = try await folder.store(.none)
        let created = try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 0..<400 {
                group.addTask {
                    let key = try ObjectKey(validating: "k/\(index % 100)")
                    do throws(StorageError) {
                        _ = try await store.put(key, ObjectBody("\(index)"), options: PutOptions(precondition: .absent))
                        return 1
                    } catch {
                        guard error.kind == .preconditionFailed, error.currentVersion != nil else { throw error }
                        return 0
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(created == 100)
        #expect(try await store.list(ListQuery(prefix: "k/")).keys.count == 100)
    }

    @Test func abandonedUploadsAndReplacedBodiesAreSwept() async throws {
        let folder = DatabaseFolder()
        let clock = TestClock()
        let store = try await folder.store(.none, clock: clock)
        try await store.put("a", ObjectBody(large))
        let reader = try await store.get("a")
        try await store.put("a", ObjectBody(large + [1]))
        // Who reads the old one still can.
        #expect(try await store.sweep().looseBodies == 0)
        #expect(try await reader.body.collect(upTo: 2_000_000) == large)
        let late = try await store.get("a")
        try await store.delete("a")
        clock.advance(61)
        #expect(try await store.sweep().looseBodies == 2)
        await #expect { try await late.body.collect(upTo: 2_000_000) } throws: {
            ($0 as? StorageError)?.kind == .unavailable
        }
        let pool = try DatabasePool(path: folder.database)
        #expect(try await pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM chunks") } == 0)
        #expect(try await pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM loose") } == 0)
    }

    @Test func anUploadThatStoodStillIsToldSo() async throws {
        let folder = DatabaseFolder()
        let clock = TestClock()
        let store = try await folder.store(.none, clock: clock)
        let size = large.count
        let body = ObjectBody(size: nil) { [large] () async throws(StorageError) in
            clock.advance(601)
            _ = try await store.sweep()
            return large
        }
        await #expect { try await store.put("a", body) } throws: {
            let error = $0 as? StorageError
            return error?.kind == .unavailable && error?.message.contains("stood still") == true
        }
        #expect(try await store.list(ListQuery()).keys == [] && size > 0)
    }

    /// Between a sweep's looking for what is due and its coming to that.
    @Test func whatBecameAnObjectsDuringASweepStays() async throws {
        let folder = DatabaseFolder()
        let clock = TestClock()
        let store = try await folder.store(.none, clock: clock)
        try await store.put("replaced", ObjectBody(large))
        try await store.put("committed", ObjectBody(large))
        try await store.delete("replaced")
        let pool = try DatabasePool(path: folder.database)
        try await pool.write { database in
            let body = try Int.fetchOne(database, sql: "SELECT body FROM objects") ?? 0
            try database.execute(sql: "INSERT INTO loose (body, until) VALUES (\(body), 1)")
            // As a commit does: with the end of what the sweep removes first.
            try database.execute(
                sql: """
                    CREATE TRIGGER commits AFTER DELETE ON loose WHEN OLD.body < \(body)
                    BEGIN DELETE FROM loose WHERE body = \(body); END
                    """)
        }
        clock.advance(61)
        #expect(try await store.sweep().looseBodies == 1)
        #expect(try await store.bytes("committed") == large)
        let chunks = try await pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM chunks") }
        #expect(chunks == 6)
    }

    /// What somebody else wrote into the file ends no process.
    @Test func numbersThatMakeNoSenseAreDamage() async throws {
        let folder = DatabaseFolder()
        let store = try await folder.store(.none)
        try await store.put("small", ObjectBody("x"))
        try await store.put("large", ObjectBody(large))
        let pool = try DatabasePool(path: folder.database)
        func expectDamage(_ key: ObjectKey, _ change: String) async throws {
            try await pool.write {
                try $0.execute(sql: "UPDATE objects SET \(change) WHERE key = ?", arguments: [Data(key.rawValue.utf8)])
            }
            await #expect("\(change)") { try await store.get(key).body.collect(upTo: 1 << 30) } throws: {
                ($0 as? StorageError)?.kind == .internal
            }
        }
        try await expectDamage("small", "size = -1")
        try await expectDamage("small", "size = \(Int64.min)")
        try await expectDamage("small", "size = \(Int64.max)")
        try await expectDamage("large", "size = \(Int64.max)")
        try await expectDamage("large", "size = -1")
        try await expectDamage("large", "size = 1500001, body = \(Int64.max)")
        try await expectDamage("large", "body = \(Int64.min)")
        try await pool.write { try $0.execute(sql: "INSERT INTO loose VALUES (\(Int64.max), 1), (\(Int64.min), 1)") }
        #expect(try await store.sweep().looseBodies == 2)
        // No number is left to give.
        await #expect { try await store.put("more", ObjectBody(self.large)) } throws: { $0 is StorageError }
        #expect(try await store.sweep().looseBodies == 0)
    }

    @Test func aSlowUploadIsNotSwept() async throws {
        let folder = DatabaseFolder()
        let clock = TestClock()
        let (store, other) = (
            try await folder.store(.none, clock: clock), try await folder.store(.none, clock: clock)
        )
        let offset = Mutex(0)
        let body = ObjectBody(size: nil) { [large] () async throws(StorageError) in
            // Each mebibyte takes more than half an hour.
            clock.advance(200)
            #expect(try await other.sweep().looseBodies == 0)
            let start = offset.withLock { offset in
                defer { offset += 100_000 }
                return offset
            }
            return start < large.count ? Array(large.dropFirst(start).prefix(100_000)) : nil
        }
        try await store.put("a", body)
        try await other.sweep()
        #expect(try await store.bytes("a") == large)
    }

    /// Others come in between.
    @Test func messageIDsAreForgottenSomeAtATime() async throws {
        let folder = DatabaseFolder()
        let clock = TestClock()
        let store = try await folder.store(.none, clock: clock)
        _ = try await store.put("a", ObjectBody("x"), options: PutOptions(messageID: "id"))
        let pool = try DatabasePool(path: folder.database)
        try await pool.write { database in
            try database.execute(
                sql: """
                    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
                    INSERT INTO messages SELECT CAST(i AS BLOB), i, key, version, size, digest, modified, expires,
                        attributes FROM n, messages;
                    CREATE TRIGGER fails BEFORE DELETE ON messages WHEN OLD.recorded = 1000
                    BEGIN SELECT RAISE(ABORT, 'no'); END
                    """)
        }
        await #expect(throws: StorageError.self) { try await store.sweep() }
        let left = try await pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM messages") }
        #expect(left == 1 + 1000 - 768)
        try await pool.write { try $0.execute(sql: "DROP TRIGGER fails") }
        #expect(try await store.sweep().messageIDs == 1000 - 768)
        clock.advance(121)
        #expect(try await store.sweep().messageIDs == 1)
    }

    @Test func expiredObjectsAreSwept() async throws {
        let folder = DatabaseFolder()
        let clock = TestClock()
        let store = try await folder.store(.none, clock: clock)
        for index in 1...30 {
            let options = PutOptions(timeToLive: .seconds(10 * index))
            _ = try await store.put(ObjectKey(validating: "k/\(index)"), ObjectBody("x"), options: options)
        }
        clock.advance(155)
        #expect(try await store.list(ListQuery()).keys.count == 15)
        #expect(try await store.sweep().expiredObjects == 15)
        #expect(try await store.list(ListQuery()).keys.count == 15)
    }

    /// Of two processes that look after one file, one is told of each object, in the order of time.
    @Test func whatExpiredIsToldOnce() async throws {
        let folder = DatabaseFolder()
        let clock = TestClock()
        let (store, other) = (
            try await folder.store(.none, clock: clock), try await folder.store(.none, clock: clock)
        )
        #expect(try await store.maintain().expired == [])
        var stored: [ObjectInfo] = []
        for index in 1...600 {
            let options = PutOptions(timeToLive: .seconds(1000 - index))
            stored.append(
                try await store.put(ObjectKey(validating: "k/\(index)"), ObjectBody("x"), options: options))
        }
        #expect(try await store.maintain().expired == [])
        // Between two of them.
        clock.advance(699.5)
        var batches: [[ObjectInfo]] = []
        while true {
            async let one = store.maintain()
            async let two = other.maintain()
            let upkeeps = try await [one, two]
            batches += upkeeps.map(\.expired)
            if upkeeps.allSatisfy({ $0.expired.isEmpty && $0.next > clock.now() }) { break }
        }
        let told = batches.flatMap(\.self)
        #expect(Set(told) == Set(stored.suffix(300)) && told.count == 300)
        // Which of the two takes them first, nobody knows.
        #expect(batches.contains { $0.first?.key == "k/600" })
        for batch in batches { #expect(batch == batch.sorted { ($0.expires ?? .now) < ($1.expires ?? .now) }) }
        // A process that starts later has not swept them away before.
        clock.advance(1000)
        _ = try await folder.store(.none, clock: clock)
        #expect(try await store.maintain().expired.count == 256)
        #expect(try await other.maintain().expired.count == 44)
    }

    @Test func otherFilesAreRefusedAndKept() async throws {
        let folder = DatabaseFolder()
        try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
        let text = Data(String(repeating: "not a database ", count: 100).utf8)
        try text.write(to: URL(filePath: folder.database))
        await #expect { try await folder.store() } throws: { ($0 as? StorageError)?.kind == .invalid }
        #expect(try Data(contentsOf: URL(filePath: folder.database)) == text)
        let other = DatabaseFolder()
        try FileManager.default.createDirectory(at: other.url, withIntermediateDirectories: true)
        let queue = try DatabaseQueue(path: other.database)
        try await queue.write { try $0.execute(sql: "CREATE TABLE t (a); INSERT INTO t VALUES (1)") }
        await #expect { try await other.store() } throws: { ($0 as? StorageError)?.kind == .invalid }
        #expect(try await queue.read { try Int.fetchOne($0, sql: "SELECT a FROM t") } == 1)
    }

    @Test func aFileThatOthersHoldIsUnavailable() async throws {
        let folder = DatabaseFolder()
        let store = try await folder.store { $0.busyTimeout = .milliseconds(100) }
        try await store.put("a", ObjectBody("old"))
        var options = Configuration()
        options.allowsUnsafeTransactions = true
        let other = try DatabaseQueue(path: folder.database, configuration: options)
        try await other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
        await #expect { try await store.put("a", ObjectBody("new")) } throws: {
            let error = $0 as? StorageError
            return error?.kind == .unavailable && error?.errorClass == .transient
        }
        // Reading goes on.
        #expect(try await store.bytes("a") == Array("old".utf8))
        try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        try await store.put("a", ObjectBody("new"))
        #expect(try await store.bytes("a") == Array("new".utf8))
    }

    @Test func damageIsFound() async throws {
        let folder = DatabaseFolder()
        let store = try await folder.store()
        try await store.put("small", ObjectBody("small"))
        try await store.put("large", ObjectBody(large))
        let other = try DatabasePool(path: folder.database)
        try await other.write { database in
            try database.execute(sql: "UPDATE objects SET bytes = CAST('smell' AS BLOB) WHERE bytes IS NOT NULL")
            try database.execute(sql: "UPDATE chunks SET bytes = zeroblob(length(bytes)) WHERE id % 16777216 = 2")
        }
        for key: ObjectKey in ["small", "large"] {
            await #expect { try await store.bytes(key) } throws: { ($0 as? StorageError)?.kind == .internal }
        }
    }
}
