import Storage
import StorageLayers
import Synchronization
import TestSupport
import Testing

@Suite struct PathLocksTests {
    private let locks = PathLocks()

    /// Holds the lock of `key` until told to let go of it; returns when it is held.
    private func hold(_ key: ObjectKey, _ owner: String) async -> AsyncStream<Void>.Continuation {
        let (release, letGo) = AsyncStream.makeStream(of: Void.self)
        let (held, isHeld) = AsyncStream.makeStream(of: Void.self)
        Task { [locks] in
            try await locks.withLock(key, owner: owner) {
                isHeld.finish()
                for await _ in release {}
            }
        }
        for await _ in held {}
        return letGo
    }

    @Test func oneAtATimeHoldsALock() async throws {
        let store = ObservedStore(MemoryStore())
        try await store.put("n", ObjectBody("0"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<10 {
                group.addTask {
                    for _ in 0..<20 {
                        try await store.withLock("n", owner: "worker \(worker)") { () async throws(StorageError) in
                            let count = Int(String(decoding: try await store.bytes("n"), as: UTF8.self)) ?? -1
                            await Task.yield()
                            try await store.put("n", ObjectBody("\(count + 1)"))
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await store.bytes("n") == Array("200".utf8))
        #expect(store.locks.owner(of: "n") == nil)
    }

    @Test func whoWaitsInVainIsToldTheOwner() async throws {
        let letGo = await hold("k", "the migration")
        #expect(locks.owner(of: "k") == "the migration")
        let error = await #expect(throws: StorageError.self) {
            try await locks.withLock("k", owner: "other", timeout: .milliseconds(20)) {}
        }
        #expect(error?.kind == .timeout && error?.message.contains("“the migration” holds it") == true)
        // Other paths are free.
        try await locks.withLock("k/below", owner: "other", timeout: .seconds(20)) {}
        letGo.finish()
        try await locks.withLock("k", owner: "other", timeout: .seconds(20)) {
            #expect(locks.owner(of: "k") == "other")
        }
        #expect(locks.owner(of: "k") == nil)
    }

    @Test func cancelledNobodyWaits() async throws {
        let letGo = await hold("k", "first")
        let waiting = Task { try await locks.withLock("k", owner: "second") {} }
        for _ in 0..<20 { await Task.yield() }
        waiting.cancel()
        await #expect { try await waiting.value } throws: { ($0 as? StorageError)?.kind == .cancelled }
        letGo.finish()
        try await locks.withLock("k", owner: "third") {}
    }

    @Test func aBodyThatThrowsLetsGo() async throws {
        await #expect(throws: StorageError.self) {
            try await locks.withLock("k", owner: "a") { () async throws(StorageError) in
                throw StorageError(.invalid, "no")
            }
        }
        try await locks.withLock("k", owner: "b", timeout: .seconds(20)) {}
    }

    @Test func timeoutsAndCancellationsInAStormLeaveNothingHeld() async throws {
        let inside = Shared(0)
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<200 {
                group.addTask {
                    let task = Task {
                        try await locks.withLock("k", owner: "\(worker)", timeout: .milliseconds(worker % 7 + 1)) {
                            inside.withLock { $0 += 1 }
                            #expect(inside.withLock { $0 } == 1)
                            try? await Task.sleep(for: .microseconds(200))
                            inside.withLock { $0 -= 1 }
                        }
                    }
                    if worker % 3 == 0 { task.cancel() }
                    _ = await task.result
                }
            }
        }
        #expect(locks.owner(of: "k") == nil)
    }
}

@Suite struct StorePathTests {
    @Test func pathsAreKeysOrGlobs() throws {
        #expect(try StorePath(parsing: "users/123") == .key("users/123"))
        #expect(try StorePath(parsing: "users/a*") == .key("users/a*"))
        #expect(try StorePath(parsing: "users/*") == .glob(KeyPattern(validating: "users/*")))
        for path in ["", "/a", "a//b", "*/", "../*"] {
            let error = #expect(throws: StorageError.self) { try StorePath(parsing: path) }
            #expect(error?.kind == .invalid && error?.message.hasPrefix("invalid path: ") == true)
        }
        let notAllowed = #expect(throws: StorageError.self) { try StorePath.key(parsing: "users/*") }
        #expect(notAllowed?.kind == .invalid && notAllowed?.message.contains("is a glob") == true)
        let required = #expect(throws: StorageError.self) { try StorePath.glob(parsing: "users/1") }
        #expect(required?.kind == .invalid && required?.message.contains("a glob is needed") == true)
    }

    @Test func globsListByOffsetAndLimit() async throws {
        let store = MemoryStore()
        for number in 100..<400 {
            try await store.put(try ObjectKey(validating: "users/\(number)"), ObjectBody("\(number)"))
            try await store.put(try ObjectKey(validating: "users/\(number)/inner"), ObjectBody("x"))
        }
        let some = try await store.infos(path: "users/*", offset: 150, limit: 3)
        #expect(some.map(\.key) == ["users/250", "users/251", "users/252"] && some.map(\.size) == [3, 3, 3])
        #expect(try await store.infos(path: "users/*", offset: 299).map(\.key) == ["users/399"])
        #expect(try await store.infos(path: "users/*", offset: 300).isEmpty)
        #expect(try await store.infos(path: "users/*/inner").count == 300)
        #expect(try await store.infos(path: "users/*", limit: 0).isEmpty)
        await #expect(throws: StorageError.self) { try await store.infos(path: "users/*", offset: -1) }
        #expect(try await store.get(path: "users/100").info.size == 3)
        #expect(try await store.delete(path: "users/100") == 1)
        #expect(try await store.delete(path: "users/*/inner") == 300)
        #expect(try await store.list(ListQuery(prefix: "users/")).keys.count == 299)
    }
}
