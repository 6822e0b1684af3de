import Foundation
import GRDB
import SQLiteStorage
import Storage
import TestSupport
import Testing

/// Several processes on one database, and what one leaves that is killed.
@Suite struct ProcessTests {
    private static let key: ObjectKey = "folder/object"
    private static let old = [UInt8](repeating: UInt8(ascii: "o"), count: 10_000)

    @Test func twoProcessesShareAStore() async throws {
        let seconds = ProcessInfo.processInfo.environment["FILE_RACE_SECONDS"] ?? "3"
        let folder = DatabaseFolder()
        let arguments = ["sqlite", folder.url.path, "none", "race", seconds]
        let store = try await StoreWriter.race(arguments) { try await folder.store() }
        for try await key in store.keys(ListQuery(prefix: "keys/")) { _ = try await store.bytes(key) }
    }

    /// Whoever makes the database holds it at moments where SQLite itself does not wait.
    @Test func manyMakeADatabaseAtOnce() async throws {
        for _ in 0..<20 {
            let folder = DatabaseFolder()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let store = try await folder.store(.none)
                        _ = try await store.put(Self.key, ObjectBody("x"))
                        await store.shutdown()
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func eachNewFolderIsSyncedInItsParent() async throws {
        let folder = DatabaseFolder()
        let inner = folder.url.appending(path: "inner")
        let synced = try await StoreWriter.syncsNewFolders(
            [folder.url, inner], ["sqlite", inner.path, "always", "put", "k", "10"])
        #expect(synced == [true, true])
    }

    /// A put and an overwrite, in the row and in chunks, killed at system calls that touch the folder: at each of a small
    /// one, at some and at the last ones of a large one, which writes page after page.
    @Test(arguments: [5000, 1_200_000], ["put", "overwrite"])
    func killedAtEveryCall(_ size: Int, _ verb: String) async throws {
        let change = ["sqlite", "always", verb, Self.key.rawValue, String(size)]
        let traced = try await folder(verb)
        let calls = try await StoreWriter.trace(change) { traced.url }
        #expect(calls.count > 3, "\(calls)")
        let step = max(1, calls.count / 20)
        let chosen = calls.indices.filter { $0 % step == 0 || $0 >= calls.count - 20 }.map { calls[$0] }
        try await forEach(chosen) { call in
            let folder = try await folder(verb)
            let result = try await StoreWriter.run(change, in: folder.url, injecting: "signal=KILL", at: call)
            #expect(result?.signal == SIGKILL && result?.output == "begin\n", "\(call): \(String(describing: result))")
            try await expectWhole(in: folder, verb, size, after: call)
        }
    }

    @Test(arguments: ["ENOSPC", "EIO"])
    func failedWritesChangeNothing(_ error: String) async throws {
        let change = ["sqlite", "always", "overwrite", Self.key.rawValue, "5000"]
        let traced = try await folder("overwrite")
        let calls = try await StoreWriter.trace(change) { traced.url }.filter { $0.name == "pwrite64" }
        #expect(!calls.isEmpty)
        try await forEach(calls) { call in
            let folder = try await folder("overwrite")
            let result = try await StoreWriter.run(change, in: folder.url, injecting: "error=\(error)", at: call)
            let outcome = try #require(result).outcome
            let kind = error == "ENOSPC" ? "unavailable transient" : "internal fatal"
            #expect(outcome.hasPrefix("failed \(kind)"), "\(outcome)")
            let store = try await folder.store()
            #expect(try await store.bytes(Self.key) == Self.old)
        }
    }

    /// On a file system that is full a put fails and leaves what was there; with room again it succeeds.
    @Test func noRoomLeft() async throws {
        let folder = DatabaseFolder()
        let arguments = ["sqlite", folder.url.path, "always", "full", Self.key.rawValue, "100000"]
        let result = try await StoreWriter.run(arguments, onMebibytes: 4)
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 5 && lines[3...] == ["whole", "done"], "\(result)")
        for line in lines.dropFirst().prefix(2) {
            #expect(line.hasPrefix("failed unavailable transient put “") && line.contains("free some space"))
        }
    }

    private func folder(_ verb: String) async throws -> DatabaseFolder {
        let folder = DatabaseFolder()
        let store = try await folder.store(.none)
        if verb == "overwrite" { try await store.put(Self.key, ObjectBody(Self.old)) }
        await store.shutdown()
        return folder
    }

    private func expectWhole(in folder: DatabaseFolder, _ verb: String, _ size: Int, after call: TracedCall)
        async throws
    {
        let clock = TestClock()
        let store = try await folder.store(clock: clock)
        let new = [UInt8](repeating: UInt8(ascii: "n"), count: size)
        let page = try await store.list(ListQuery(details: true))
        if page.keys.isEmpty {
            #expect(verb == "put", "killed at \(call.line)")
        } else {
            let bytes = try await store.bytes(Self.key)
            #expect(
                page.keys == [Self.key] && (bytes == new || verb == "overwrite" && bytes == Self.old), "\(call.line)")
        }
        // What the upload left goes after its grace, and nothing of it stays.
        clock.advance(601)
        try await store.sweep()
        await store.shutdown()
        let queue = try DatabaseQueue(path: folder.database)
        try await queue.read { database in
            #expect(try String.fetchOne(database, sql: "PRAGMA integrity_check") == "ok")
            #expect(try Int.fetchOne(database, sql: "SELECT count(*) FROM loose") == 0)
            let chunks = try Int.fetchOne(database, sql: "SELECT count(*) FROM chunks") ?? 0
            let bodies = try Int.fetchOne(database, sql: "SELECT count(body) FROM objects") ?? 0
            #expect(chunks == bodies * ((size + 262_143) / 262_144))
        }
    }
}
