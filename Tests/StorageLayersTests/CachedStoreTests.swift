import FoundationEssentials
import Storage
import StorageLayers
import Synchronization
import TestSupport
import Testing

@Suite struct CachedStoreTests {
    private let memory = MemoryStore()

    private func cached(_ base: any Store, _ adjust: (inout CacheOptions) -> Void = { _ in }) -> CachedStore {
        var options = CacheOptions()
        adjust(&options)
        return CachedStore(base, options)
    }

    /// Tells of no changes, as memory itself would.
    private func probe() -> ProbeStore { ProbeStore(memory, object: []) }

    @Test func whatIsKnownIsNotAskedAgain() async throws {
        let probe = probe()
        let store = cached(probe)
        let content = bytes(1000)
        let info = try await store.put(
            "k", ObjectBody(content), options: PutOptions(attributes: .init(contentType: "a/b")))
        for _ in 0..<3 {
            let object = try await store.get("k")
            #expect(object.info == info && object.range == 0..<1000)
            #expect(try await object.body.collect(upTo: 1000) == content)
            #expect(try await store.info("k") == info)
        }
        let part = try await store.get("k", options: GetOptions(range: .suffix(10), ifMatch: info.version))
        #expect(try await part.body.collect(upTo: 10) == Array(content.suffix(10)))
        #expect(part.range == 990..<1000 && part.info == info)
        await #expect { try await store.get("k", options: GetOptions(range: .from(1000))) } throws: {
            ($0 as? StorageError)?.kind == .rangeNotSatisfiable
        }
        #expect(probe.operations == [.put, .get])
        let statistics = store.statistics
        #expect(statistics.hits == 7 && statistics.misses == 1 && statistics.entries == 1 && statistics.bytes >= 1000)
    }

    @Test func anInfoIsKeptButNoSubstituteForTheObject() async throws {
        let probe = probe()
        let store = cached(probe)
        try await store.put("k", ObjectBody("x"))
        _ = try await store.info("k")
        _ = try await store.info("k")
        #expect(probe.operations == [.put, .info])
        #expect(try await store.bytes("k") == Array("x".utf8))
        _ = try await store.info("k")
        #expect(probe.operations == [.put, .info, .get])
    }

    @Test func anotherVersionIsAskedFor() async throws {
        let store = cached(probe())
        let info = try await store.put("k", ObjectBody("x"))
        _ = try await store.get("k")
        let error = await #expect(throws: StorageError.self) {
            try await store.get("k", options: GetOptions(ifMatch: Version("other")))
        }
        #expect(error?.kind == .preconditionFailed && error?.currentVersion == info.version)
        // Another process writes; what is asked for by that version is not answered with the old one, nor later.
        let other = try await memory.put("k", ObjectBody("y"))
        #expect(try await store.bytes("k") == Array("x".utf8))
        #expect(try await store.info("k", options: InfoOptions(ifMatch: other.version)) == other)
        #expect(try await store.bytes("k") == Array("y".utf8))
    }

    @Test func ownWritesAreSeenAtOnceHoweverTheyEnd() async throws {
        var faults = Faults()
        faults.failEvery = 1
        faults.moment = .after
        faults.operations = [.put, .delete, .setMetadata]
        let store = cached(FaultyStore(memory, faults))
        for text in ["a", "b"] {
            await #expect(throws: StorageError.self) { try await store.put("k", ObjectBody(text)) }
            #expect(try await store.bytes("k") == Array(text.utf8))
        }
        let attributes = ObjectAttributes(contentType: "a/b")
        await #expect(throws: StorageError.self) {
            try await store.setMetadata("k", attributes, options: SetMetadataOptions())
        }
        #expect(try await store.info("k").attributes == attributes)
        await #expect(throws: StorageError.self) { try await store.delete("k") }
        await #expect(throws: StorageError.self) { try await store.info("k") }
    }

    @Test func aThousandReadersCauseOneFetch() async throws {
        let probe = probe()
        let store = cached(probe)
        try await memory.put("k", ObjectBody("x"))
        for key in ["k", "none"] as [ObjectKey] {
            let before = probe.count
            let found = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<1000 { group.addTask { (try? await store.bytes(key)) == Array("x".utf8) } }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(found == (key == "k" ? 1000 : 0))
            if key == "k" { #expect(probe.count - before == 1) }
        }
        #expect(store.statistics.hits + store.statistics.misses >= 2000)
    }

    /// Where it is known that it fits: what is not known, or too large, is read part by part.
    @Test func partsOfWhatFitsShareOneFetchOfAll() async throws {
        let probe = probe()
        let store = cached(probe)
        func gets() -> Int { probe.operations.filter { $0 == .get }.count }
        let contents: [ObjectKey: [UInt8]] = ["small": bytes(1000), "large": bytes(2 << 20)]
        for (key, content) in contents { try await memory.put(key, ObjectBody(content)) }
        for (key, content) in contents {
            let part = GetOptions(range: .from(content.count - 100))
            _ = try await store.get(key, options: part)
            _ = try await store.info(key)
            let before = gets()
            let found = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        let object = try? await store.get(key, options: part)
                        let bytes = try? await object?.body.collect(upTo: 100)
                        return bytes == Array(content.suffix(100)) && object?.range.count == 100
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(found == 50 && gets() - before == (key == "small" ? 1 : 50), "\(key)")
        }
        await #expect { try await store.get("small", options: GetOptions(range: .from(1000))) } throws: {
            ($0 as? StorageError)?.kind == .rangeNotSatisfiable
        }
    }

    /// A store whose gets wait until they are let go.
    private func gated() -> (CachedStore, Gate) {
        let gate = Gate(memory)
        return (cached(gate), gate)
    }

    @Test func sharedFetchesAreOneAndTheirFailureIsEverybodys() async throws {
        let (store, gate) = gated()
        let readers = (0..<1000).map { _ in Task { try await store.bytes("none") } }
        try await eventually { store.statistics.shared >= 999 }
        gate.open()
        for reader in readers {
            await #expect { try await reader.value } throws: { ($0 as? StorageError)?.kind == .notFound }
        }
        #expect(gate.count == 1)
    }

    @Test func aFetchOutlivesWhoStartedItButNotAll() async throws {
        let (store, gate) = gated()
        try await memory.put("k", ObjectBody("x"))
        let readers = (0..<3).map { _ in Task { try await store.bytes("k") } }
        try await eventually { store.statistics.shared >= 2 }
        readers[0].cancel()
        readers[1].cancel()
        for reader in readers.prefix(2) {
            await #expect { try await reader.value } throws: { ($0 as? StorageError)?.kind == .cancelled }
        }
        #expect(gate.cancelled == 0)
        readers[2].cancel()
        await #expect { try await readers[2].value } throws: { ($0 as? StorageError)?.kind == .cancelled }
        try await eventually { gate.cancelled > 0 }
        gate.open()
        #expect(try await store.bytes("k") == Array("x".utf8))
        #expect(gate.count == 2)
    }

    @Test func aWriteDuringAFetchIsNotHiddenByIt() async throws {
        let (store, gate) = gated()
        try await memory.put("k", ObjectBody("old"))
        let early = Task { try await store.bytes("k") }
        try await eventually { gate.count > 0 }
        // The gate has the old object in its hand.
        try await store.put("k", ObjectBody("new"))
        let late = Task { try await store.bytes("k") }
        try await eventually { gate.count >= 2 }
        gate.open()
        #expect(try await early.value == Array("old".utf8))
        #expect(try await late.value == Array("new".utf8))
        #expect(try await store.bytes("k") == Array("new".utf8))
        #expect(try await store.bytes("k") == Array("new".utf8))
        #expect(gate.count == 2)
    }

    /// A fetch that takes long brings what is old by then: whoever asks later may know of the new one.
    @Test func aFetchThatIsOlderThanWhatWasToldIsNotKept() async throws {
        let (store, gate) = gated()
        try await memory.put("k", ObjectBody("old"))
        let early = Task { try await store.bytes("k") }
        try await eventually { gate.count > 0 }
        // By another process.
        let info = try await memory.put("k", ObjectBody("new"))
        #expect(try await store.list(ListQuery(details: true)).objects == [info])
        let late = Task { try await store.bytes("k") }
        try await eventually { gate.count >= 2 }
        gate.open()
        #expect(try await early.value == Array("old".utf8))
        #expect(try await late.value == Array("new".utf8))
        for _ in 0..<2 { #expect(try await store.bytes("k") == Array("new".utf8)) }
    }

    @Test func aFetchThatBringsWhatWasToldIsKept() async throws {
        let (store, gate) = gated()
        try await memory.put("k", ObjectBody("x"))
        let reader = Task { try await store.bytes("k") }
        try await eventually { gate.count > 0 }
        _ = try await store.list(ListQuery(details: true))
        gate.open()
        #expect(try await reader.value == Array("x".utf8))
        #expect(try await store.bytes("k") == Array("x".utf8))
        #expect(gate.count == 1)
    }

    @Test func boundsHold() async throws {
        let store = cached(probe()) {
            $0.maxEntries = 3
            $0.maxBytes = 1000
            $0.maxObjectSize = 500
            $0.strategy = .lru
        }
        for name in ["a", "b", "c", "d"] as [ObjectKey] {
            try await store.put(name, ObjectBody(bytes(100)))
            _ = try await store.get(name)
            if name != "a" { _ = try await store.get("a") }
        }
        var statistics = store.statistics
        #expect(statistics.entries == 3 && statistics.evictions == 1)
        let hits = statistics.hits
        for name in ["a", "c", "d"] as [ObjectKey] { _ = try await store.get(name) }
        #expect(store.statistics.hits == hits + 3, "the one used longest ago has gone")
        try await store.put("large", ObjectBody(bytes(500)))
        try await store.put("larger", ObjectBody(bytes(450)))
        try await store.put("too large", ObjectBody(bytes(501)))
        for _ in 0..<2 {
            for name in ["large", "larger", "too large"] as [ObjectKey] {
                #expect(try await store.bytes(name) == bytes(name == "large" ? 500 : name == "larger" ? 450 : 501))
            }
        }
        statistics = store.statistics
        #expect(statistics.bytes <= 1000 && statistics.entries == 2)
        let none = cached(probe()) { $0.maxBytes = 0 }
        _ = try await none.bytes("a")
        #expect(try await none.bytes("a").count == 100)
        #expect(none.statistics.entries == 0)
    }

    @Test func entriesAndAbsencesAge() async throws {
        let passed = Mutex(Duration.zero)
        let start = ContinuousClock.now
        let (probe, clock) = (probe(), LayerClock(now: { start + passed.withLock { $0 } }, wait: { _ in }))
        var options = CacheOptions()
        options.timeToLive = .seconds(10)
        options.negativeTimeToLive = .seconds(2)
        let store = CachedStore(probe, options, clock: clock, now: { .now })
        try await store.put("k", ObjectBody("x"))
        _ = try await store.put("short", ObjectBody("x"), options: PutOptions(timeToLive: .seconds(5)))
        for key in ["k", "short", "none"] as [ObjectKey] { for _ in 0..<2 { _ = try? await store.get(key) } }
        #expect(probe.count == 2 + 3)
        #expect(store.statistics.negativeHits == 1)
        passed.withLock { $0 = .seconds(3) }
        for key in ["k", "short", "none"] as [ObjectKey] { _ = try? await store.get(key) }
        #expect(probe.count == 5 + 1)
        passed.withLock { $0 = .seconds(6) }
        for key in ["k", "short"] as [ObjectKey] { _ = try? await store.get(key) }
        #expect(probe.count == 6 + 1)
        passed.withLock { $0 = .seconds(11) }
        _ = try? await store.get("k")
        #expect(probe.count == 7 + 1 && store.statistics.expirations == 3)
        // What is created elsewhere shows as soon as a listing tells of it.
        try await memory.put("none", ObjectBody("x"))
        _ = try? await store.get("none")
        try await memory.delete("none")
        await #expect(throws: StorageError.self) {
            passed.withLock { $0 = .seconds(40) }; return try await store.get("none")
        }
        try await memory.put("none", ObjectBody("x"))
        await #expect(throws: StorageError.self) { try await store.get("none") }
        _ = try await store.list(ListQuery())
        #expect(try await store.bytes("none") == Array("x".utf8))
    }

    // MARK: Changes made elsewhere

    @Test func whatIsToldByTheStoreIsSeen() async throws {
        let watched = WatchedStore()
        let probe = LimitedStore(watched, maxConcurrent: 100)
        let store = cached(probe) {
            $0.strategy = .lru
            $0.negativeTimeToLive = .seconds(1000)
        }
        try await eventually { store.statistics.isFollowing }
        let first = try await watched.put("k", ObjectBody("1"))
        _ = try await store.get("k")
        watched.hub.send(.put(first))
        let second = try await watched.put("k", ObjectBody("2"))
        #expect(try await store.bytes("k") == Array("1".utf8))
        watched.hub.send(.put(second))
        try await eventually { try await store.bytes("k") == Array("2".utf8) }
        try await watched.delete("k")
        watched.hub.send(.deleted("k"))
        try await eventually { (try? await store.bytes("k")) == nil }
        let third = try await watched.put("k", ObjectBody("3"))
        await #expect(throws: StorageError.self) { try await store.bytes("k") }
        watched.hub.send(.put(third))
        try await eventually { (try? await store.bytes("k")) != nil }
        try await watched.put("k", ObjectBody("4"))
        watched.hub.send(.lagged(dropped: 1))
        try await eventually { try await store.bytes("k") == Array("4".utf8) }
        // Without news nothing is trusted any more, by age or not.
        await store.shutdown()
        #expect(store.statistics.entries == 0 && !store.statistics.isFollowing)
    }

    @Test func withoutNewsNothingIsKeptThatDoesNotAge() async throws {
        let watched = WatchedStore()
        let store = cached(watched) { $0.strategy = .lru }
        try await eventually { store.statistics.isFollowing }
        try await watched.put("k", ObjectBody("1"))
        _ = try await store.get("k")
        #expect(store.statistics.entries == 1)
        watched.hub.finish()
        try await eventually { !(store.statistics.isFollowing) }
        try await watched.put("k", ObjectBody("2"))
        for _ in 0..<2 { #expect(try await store.bytes("k") == Array("2".utf8)) }
        #expect(store.statistics.entries == 0)
    }
}

/// A store that holds what its gets have found until it is opened.
private final class Gate: ForwardingStore {
    private struct State {
        var isOpen = false
        var count = 0
        var cancelled = 0
    }

    let base: any Store
    private let state = Mutex(State())

    init(_ base: any Store) {
        self.base = base
    }

    var count: Int { state.withLock { $0.count } }
    var cancelled: Int { state.withLock { $0.cancelled } }

    func open() {
        state.withLock { $0.isOpen = true }
    }

    func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        let found: Result<StoredObject, StorageError>
        do throws(StorageError) {
            found = .success(try await base.get(key, options: options))
        } catch {
            found = .failure(error)
        }
        state.withLock { $0.count += 1 }
        while !state.withLock({ $0.isOpen }) {
            guard !Task.isCancelled else {
                state.withLock { $0.cancelled += 1 }
                throw .cancelled
            }
            await Task.yield()
        }
        return try found.get()
    }
}
