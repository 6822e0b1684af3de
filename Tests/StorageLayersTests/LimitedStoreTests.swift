import Crypto
import Storage
import StorageLayers
import Synchronization
import TestSupport
import Testing

@Suite struct LimitedStoreTests {
    @Test func neverMoreAtOnce() async throws {
        let base = ProbeStore()
        let store = LimitedStore(base, maxConcurrent: 4)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { _ = try await store.list(ListQuery()) } }
            try await group.waitForAll()
        }
        #expect(base.most == 4 && base.count == 50)
        #expect(store.waiting == 0)
    }

    @Test func aBodyHoldsItsPlaceUntilItEndsOrIsLetGo() async throws {
        let base = ProbeStore()
        let store = LimitedStore(base, maxConcurrent: 1)
        var object: StoredObject? = try await store.get("k")
        var iterator = object?.body.makeAsyncIterator()
        let waiting = Task { try await store.list(ListQuery()) }
        try await eventually { store.waiting > 0 }
        #expect(base.count == 1)
        while try await iterator?.next() != nil {}
        _ = try await waiting.value
        #expect(base.count == 2)
        iterator = nil
        object = try await store.get("k")
        let other = Task { try await store.list(ListQuery()) }
        try await eventually { store.waiting > 0 }
        object = nil
        _ = try await other.value
        #expect(object == nil && base.count == 4)
    }

    @Test func whoeverIsCancelledWaitsNoLongerAndTakesNoPlace() async throws {
        let store = LimitedStore(ProbeStore(), maxConcurrent: 1)
        let object = try await store.get("k")
        let waiting = (0..<20).map { _ in Task { try await store.list(ListQuery()) } }
        try await eventually { store.waiting >= 20 }
        for task in waiting.dropLast() { task.cancel() }
        for task in waiting.dropLast() {
            await #expect { try await task.value } throws: { ($0 as? StorageError)?.kind == .cancelled }
        }
        #expect(store.waiting == 1)
        for try await _ in object.body {}
        _ = try await waiting[19].value
        #expect(store.waiting == 0)
    }

    /// Bodies that are no longer wanted would keep what is opened in their place waiting.
    @Test func layersAboveOpenOneBodyAtATime() async throws {
        let memory = MemoryStore()
        var faults = Faults()
        // Streams, never cut.
        faults.cut = .failing(after: .max)
        // Whoever would have to wait is refused.
        let limited = LimitedStore(FaultyStore(memory, faults), maxConcurrent: 1, maxWaiting: 0)
        let content = bytes(600_000)
        let part = GetOptions(range: .bounded(first: 300_000, last: 599_999))
        let compressed = CompressedStore(limited)
        try await compressed.put("frames", .stream(content, chunk: 100_000))
        try await compressed.put("one frame", ObjectBody([UInt8](repeating: 1, count: 200_000)))
        try await memory.put("plain", ObjectBody(content))
        for _ in 0..<3 {
            for key in ["frames", "plain"] as [ObjectKey] {
                let found = try await compressed.get(key, options: part).body.collect(upTo: 300_000)
                #expect(found == Array(content[300_000...]))
            }
            let end = GetOptions(range: .suffix(10))
            #expect(try await compressed.get("one frame", options: end).body.collect(upTo: 10).count == 10)
        }
        var options = EncryptionOptions()
        options.readsPlaintext = true
        let keys = try EncryptionKeys(["1": SymmetricKey(size: .bits256)], current: "1")
        #expect(try await EncryptedStore(limited, keys: keys, options).bytes("plain") == content)
        var cache = CacheOptions()
        cache.maxObjectSize = 1000
        let cached = CachedStore(limited, cache)
        for verify in [true, false] {
            let found = try await cached.get("plain", options: GetOptions(verify: verify))
            #expect(try await found.body.collect(upTo: 600_000) == content)
        }
    }

    @Test func tooManyWaitersAreRefused() async throws {
        let store = LimitedStore(ProbeStore(), maxConcurrent: 1, maxWaiting: 1)
        let object = try await store.get("k")
        let waiting = Task { try await store.list(ListQuery()) }
        try await eventually { store.waiting > 0 }
        let error = await #expect(throws: StorageError.self) { try await store.list(ListQuery()) }
        #expect(error?.kind == .unavailable && error?.operation == .list)
        for try await _ in object.body {}
        _ = try await waiting.value
        _ = try await store.list(ListQuery())
    }

    @Test func aFailureGivesThePlaceBack() async throws {
        var faults = Faults()
        faults.failEvery = 1
        let store = LimitedStore(FaultyStore(MemoryStore(), faults), maxConcurrent: 1)
        for _ in 0..<3 {
            await #expect(throws: StorageError.self) { try await store.get("k") }
            await #expect(throws: StorageError.self) { try await store.info("k") }
        }
        #expect(store.waiting == 0)
    }
}
