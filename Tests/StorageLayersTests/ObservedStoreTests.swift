import Storage
import StorageLayers
import Synchronization
import TestSupport
import Testing

@Suite struct ObservedStoreTests {
    private let base = MemoryStore(firstVersion: 1)

    /// What the layer itself tells: a memory store could be followed too.
    private func watch(
        _ store: ObservedStore, _ query: WatchQuery = WatchQuery(), _ overflow: ObserveOptions.Overflow = .drop
    ) async throws -> StoreChanges {
        try await store.watchOwn(query, overflow: overflow)
    }

    /// The next changes, as short texts.
    private func next(_ count: Int, _ changes: StoreChanges) async throws -> [String] {
        let iterator = changes.makeAsyncIterator()
        var told: [String] = []
        for _ in 0..<count {
            guard let change = try await iterator.next() else { break }
            told.append(text(change))
        }
        return told
    }

    private func text(_ change: StoreChange) -> String {
        switch change {
        case .put(let info): "\(info.key)@\(info.version)"
        case .deleted(let key): "\(key) deleted"
        case .expired(let key): "\(key) expired"
        case .caughtUp: "caught up"
        case .lagged(let count): "lagged \(count)"
        }
    }

    @Test(arguments: [ObserveOptions.Overflow.drop, .block])
    func everyChangeIsToldInOrder(_ overflow: ObserveOptions.Overflow) async throws {
        let store = ObservedStore(base)
        let changes = try await watch(store, WatchQuery(), overflow)
        let pattern = try await watch(store, WatchQuery(pattern: try KeyPattern(validating: "b/*")), overflow)
        let prefix = try await watch(store, WatchQuery(prefix: "a"), overflow)
        try await store.put("a", ObjectBody("1"))
        try await store.put("b/c", ObjectBody("1"))
        _ = try await store.setMetadata("a", ObjectAttributes(), options: SetMetadataOptions())
        try await store.delete("a")
        try await store.delete("a")
        await #expect(throws: StorageError.self) {
            try await store.put("b/c", ObjectBody("1"), options: PutOptions(precondition: .absent))
        }
        try await store.put("b/c", ObjectBody("2"))
        #expect(try await next(5, changes) == ["a@1", "b/c@2", "a@3", "a deleted", "b/c@4"])
        #expect(try await next(2, pattern) == ["b/c@2", "b/c@4"])
        #expect(try await next(3, prefix) == ["a@1", "a@3", "a deleted"])
    }

    @Test func whatIsThereIsToldFirst() async throws {
        let store = ObservedStore(base)
        for number in 10..<2500 { try await base.put(try ObjectKey(validating: "a/\(number)"), ObjectBody("x")) }
        let changes = try await watch(store, WatchQuery(prefix: "a/", start: .current))
        try await store.put("a/new", ObjectBody("x"))
        let told = try await next(2493, changes)
        #expect(Set(told).count == 2492 && told.filter { $0 == "caught up" }.count == 1)
        #expect(told[2491] == "caught up" && told.last == "a/new@2491")
    }

    @Test func whatIsNotReadInTimeIsDroppedAndCounted() async throws {
        let store = ObservedStore(base)
        let changes = try await watch(store, WatchQuery(capacity: 2))
        for _ in 0..<5 { try await store.put("k", ObjectBody("x")) }
        #expect(try await next(3, changes) == ["k@1", "k@2", "lagged 3"])
        try await store.put("k", ObjectBody("x"))
        #expect(try await next(1, changes) == ["k@6"])
        await #expect(throws: StorageError.self) { try await watch(store, WatchQuery(capacity: 0)) }
    }

    @Test func losslessWatchersHoldWritersBackAndGetAll() async throws {
        let store = ObservedStore(base, ObserveOptions(overflow: .block))
        let changes = try await store.watch(WatchQuery(capacity: 2))
        let done = Mutex(0)
        let writer = Task {
            for _ in 0..<50 {
                try await store.put("k", ObjectBody("x"))
                done.withLock { $0 += 1 }
            }
        }
        while base.statistics.puts < 3 { await Task.yield() }
        for _ in 0..<50 { await Task.yield() }
        // The third change has no room: its writer waits.
        #expect(done.withLock { $0 } == 2 && base.statistics.puts == 3)
        #expect(try await next(50, changes) == (1...50).map { "k@\($0)" })
        try await writer.value
    }

    @Test func letGoOrCancelledNobodyWaits() async throws {
        let store = ObservedStore(base, ObserveOptions(overflow: .block))
        var changes: StoreChanges? = try await store.watch(WatchQuery(capacity: 1))
        try await store.put("k", ObjectBody("x"))
        let cancelled = Task { try await store.put("k", ObjectBody("x")) }
        while base.statistics.puts < 2 { await Task.yield() }
        cancelled.cancel()
        // It is stored, and told.
        #expect(try await cancelled.value.version == Version("2"))
        let writer = Task { try await store.put("k", ObjectBody("x")) }
        while base.statistics.puts < 3 { await Task.yield() }
        if let changes { #expect(try await next(1, changes) == ["k@1"]) }
        changes = nil
        #expect(try await writer.value.version == Version("3"))
    }

    @Test func ofOverlappingWritesTheLastIsTold() async throws {
        var faults = Faults()
        faults.failProbability = 0.3
        faults.moment = .after
        faults.operations = [.put, .delete]
        let store = ObservedStore(Yielding(FaultyStore(base, faults)))
        let changes = try await watch(store, WatchQuery(capacity: 1 << 16))
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    for round in 0..<40 {
                        let key: ObjectKey = round % 2 == 0 ? "a" : "b"
                        if (writer + round) % 5 == 0 {
                            _ = try? await store.delete(key)
                        } else {
                            _ = try? await store.put(key, ObjectBody("x"))
                        }
                    }
                }
            }
        }
        await store.shutdown()
        var newest: [ObjectKey: Int] = [:]
        var last: [ObjectKey: String] = [:]
        for try await change in changes {
            guard let key = change.key else { continue }
            last[key] = text(change)
            guard case .put(let info) = change else { continue }
            let version = Int(info.version.description) ?? -1
            #expect(version >= newest[key] ?? 0)
            newest[key] = version
        }
        #expect(last == Self.states.withLock { $0 })
    }

    /// What was there at the end of the test above, noted by the store beneath when it is shut down.
    private static let states = Mutex<[ObjectKey: String]>([:])

    /// A store that lets others go first, around every operation.
    private struct Yielding: ForwardingStore {
        let base: any Store

        init(_ base: any Store) {
            self.base = base
        }

        func put(_ key: ObjectKey, _ body: ObjectBody, options: PutOptions) async throws(StorageError) -> ObjectInfo {
            await Task.yield()
            let info = try await base.put(key, body, options: options)
            await Task.yield()
            return info
        }

        func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
            await Task.yield()
            let info = try await base.info(key, options: options)
            await Task.yield()
            return info
        }

        func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
            await Task.yield()
            let existed = try await base.delete(key, options: options)
            await Task.yield()
            return existed
        }

        func shutdown() async {
            var states: [ObjectKey: String] = [:]
            for key in ["a", "b"] as [ObjectKey] {
                let info = try? await base.info(key)
                states[key] = info.map { "\(key)@\($0.version)" } ?? "\(key) deleted"
            }
            let found = states
            ObservedStoreTests.states.withLock { $0 = found }
            await base.shutdown()
        }
    }

    @Test func aWriteThatMayHaveHappenedIsLookedAfter() async throws {
        var faults = Faults()
        faults.failEvery = 1
        faults.operations = [.put]
        faults.moment = .after
        let store = ObservedStore(FaultyStore(base, faults))
        let changes = try await watch(store)
        await #expect(throws: StorageError.self) { try await store.put("k", ObjectBody("x")) }
        #expect(try await next(1, changes) == ["k@1"])
        faults.operations = [.put, .info]
        let blind = ObservedStore(FaultyStore(base, faults))
        let lagging = try await watch(blind)
        await #expect(throws: StorageError.self) { try await blind.put("k", ObjectBody("x")) }
        #expect(try await next(1, lagging) == ["lagged 1"])
    }

    @Test func aRepeatedMessageIDTellsWhatIsThere() async throws {
        let store = ObservedStore(base)
        let changes = try await watch(store)
        let options = PutOptions(messageID: "1")
        _ = try await store.put("k", ObjectBody("1"), options: options)
        try await store.put("k", ObjectBody("2"))
        _ = try await store.put("k", ObjectBody("1"), options: options)
        #expect(try await next(3, changes) == ["k@1", "k@2", "k@2"])
    }

    @Test func hooksComeBeforeReadsAndAfterWrites() async throws {
        let calls = Mutex<[String]>([])
        let hooks = ObservedStore.Hooks(
            beforeRead: { (reading) async throws(StorageError) in
                switch reading {
                case .object("secret"): throw StorageError(.invalid, "not for you")
                case .object(let key): calls.withLock { $0.append("read \(key)") }
                case .listing(let query): calls.withLock { $0.append("list \(query.prefix)") }
                }
            },
            afterWrite: { change in
                let key = change.key?.rawValue ?? ""
                calls.withLock { $0.append("wrote \(key)") }
            })
        let store = ObservedStore(base, hooks: hooks)
        try await store.put("secret", ObjectBody("x"))
        try await store.put("k", ObjectBody("x"))
        _ = try await store.get("k")
        _ = try await store.info("k")
        _ = try await store.list(ListQuery(prefix: "k"))
        _ = try await store.setMetadata("k", ObjectAttributes(), options: SetMetadataOptions())
        try await store.delete("k")
        try await store.delete("k")
        let error = await #expect(throws: StorageError.self) { try await store.get("secret") }
        #expect(error?.message == "not for you")
        #expect(
            calls.withLock { $0 } == [
                "wrote secret", "wrote k", "read k", "read k", "list k", "wrote k", "wrote k",
            ])
    }

    @Test func aShutdownEndsItAll() async throws {
        for overflow in [ObserveOptions.Overflow.drop, .block] {
            let store = ObservedStore(MemoryStore(firstVersion: 1), ObserveOptions(overflow: overflow))
            let changes = try await store.watch(WatchQuery())
            try await store.put("k", ObjectBody("x"))
            await store.shutdown()
            #expect(try await next(5, changes) == ["k@1"])
            for _ in 0..<2 {
                let error = await #expect(throws: StorageError.self) { try await store.get("k") }
                #expect(error?.kind == .unavailable && error?.message == StorageError.notActive.message)
            }
            await #expect(throws: StorageError.self) { try await store.watch(WatchQuery()) }
        }
    }

    @Test func aWatcherHasItsBufferAtMost() async throws {
        let store = ObservedStore(base, ObserveOptions(shards: 1, buffer: 2))
        let changes = try await watch(store, WatchQuery(capacity: 100))
        for _ in 0..<5 { try await store.put("k", ObjectBody("x")) }
        #expect(try await next(3, changes) == ["k@1", "k@2", "lagged 3"])
        #expect(store.measurements.map(\.value) == [3])
    }

    @Test func aBaseThatTellsItsChangesIsAsked() async throws {
        let changes = try await ObservedStore(FaultyStore(base)).watch(WatchQuery())
        try await base.put("k", ObjectBody("by another"))
        #expect(try await next(1, changes) == ["k@1"])
    }
}
