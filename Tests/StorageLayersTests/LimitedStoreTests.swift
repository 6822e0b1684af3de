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
