import FoundationEssentials
import Storage
import TestSupport
import Testing

/// Watches of a memory store, and the queue that stands behind them.
@Suite struct MemoryWatchTests {
    @Test func everyChangeIsTold() async throws {
        let clock = TestClock()
        let store = MemoryStore(now: clock.now)
        let old = try await store.put("a/old", ObjectBody("1"))
        let reader = try await store.watch(WatchQuery(prefix: "a/", start: .current)).makeAsyncIterator()
        let new = try await store.put("a/new", ObjectBody("2"), options: PutOptions(timeToLive: .seconds(5)))
        try await store.put("b/other", ObjectBody("3"))
        let updated = try await store.setMetadata(
            "a/old", ObjectAttributes(contentType: "text/plain"), options: SetMetadataOptions())
        try await store.delete("a/old")
        clock.advance(6)
        #expect(try await store.maintain().expired == [new])
        for expected: StoreChange in [
            .put(old), .caughtUp, .put(new), .put(updated), .deleted("a/old"), .expired("a/new"),
        ] {
            #expect(try await reader.next() == expected)
        }
        await store.shutdown()
        #expect(try await reader.next() == nil)
    }

    @Test func whatExpiresIsToldToOne() async throws {
        let clock = TestClock()
        let store = MemoryStore(now: clock.now)
        _ = try await store.maintain()
        let info = try await store.put("a", ObjectBody("1"), options: PutOptions(timeToLive: .seconds(5)))
        #expect(try await store.maintain().expired == [])
        clock.advance(6)
        // A listing frees it; it is told all the same.
        #expect(try await store.list(ListQuery()).keys == [])
        #expect(try await store.maintain().expired == [info])
        #expect(try await store.maintain().expired == [])
    }

    @Test func evictionIsADelete() async throws {
        let store = MemoryStore(limits: MemoryStore.Limits(maxEntries: 1))
        try await store.put("a", ObjectBody("1"))
        let reader = try await store.watch(WatchQuery()).makeAsyncIterator()
        let info = try await store.put("b", ObjectBody("1"))
        #expect(try await reader.next() == .deleted("a"))
        #expect(try await reader.next() == .put(info))
    }

    @Test func whatIsNotReadIsCounted() async throws {
        let store = MemoryStore()
        let reader = try await store.watch(WatchQuery(capacity: 2)).makeAsyncIterator()
        for number in 0..<5 { try await store.put(try ObjectKey(validating: "k\(number)"), ObjectBody("")) }
        #expect(try await reader.next()?.key == "k0")
        try await store.put("late", ObjectBody(""))
        #expect(try await reader.next()?.key == "k1")
        #expect(try await reader.next() == .lagged(dropped: 4))
        try await store.put("after", ObjectBody(""))
        #expect(try await reader.next()?.key == "after")
    }

    @Test func aCancelledReaderStopsAndAnotherGoesOn() async throws {
        let store = MemoryStore()
        let changes = try await store.watch(WatchQuery())
        let waiting = Task { try await changes.makeAsyncIterator().next() }
        try await Task.sleep(for: .milliseconds(20))
        waiting.cancel()
        await #expect(throws: StorageError.self) { try await waiting.value }
        try await store.put("a", ObjectBody(""))
        #expect(try await changes.makeAsyncIterator().next()?.key == "a")
    }
}
