import Storage
import Synchronization
import TestSupport
import Testing
import TieredStorage

/// A tiered store beside other processes that write to the same cold tier, whose changes can be watched.
@Suite struct FollowTests {
    private let cold = MemoryStore()
    private let hot = MemoryStore()

    private func store() -> TieredStore {
        var options = TieredStore.Options()
        options.promotion = .eager
        return TieredStore(hot: .init(hot), cold: cold, options: options)
    }

    @Test func whatOthersWriteIsSeen() async throws {
        let store = store()
        try await store.put("k", ObjectBody("0"))
        let following = Task { try await store.follow() }
        for number in 1...20 {
            let content = "\(number)"
            try await cold.put("k", ObjectBody(content))
            try await eventually { try await store.text("k").text == content }
            try await eventually { try await store.text("k") == (content, .hot) }
        }
        try await cold.delete("k")
        try await eventually { (try? await store.get("k")) == nil }
        following.cancel()
        await #expect { try await following.value } throws: { ($0 as? StorageError)?.kind == .cancelled }
    }

    @Test func ownWritesStayInHot() async throws {
        let store = store()
        let following = Task { try await store.follow() }
        try await eventually { try await store.write("k", ObjectBody("x")).tiers == [.hot, .cold] }
        for number in 0..<50 {
            try await store.put(try ObjectKey(validating: "\(number)"), ObjectBody("x"))
        }
        try await Task.sleep(for: .milliseconds(50))
        #expect(try await store.text("49") == ("x", .hot))
        #expect(store.residence(of: "49").tiers == [.hot])
        await store.shutdown()
        try await following.value
    }

    @Test func startDoesItInTheBackground() async throws {
        let other = store()
        try await other.put("k", ObjectBody("0"))
        let store = store()
        store.start(maintainEvery: .milliseconds(10))
        try await eventually { store.statistics(of: .hot)?.items == 1 }
        try await eventually { try await store.text("k") == ("0", .hot) }
        try await cold.put("k", ObjectBody("1"))
        try await eventually { try await store.text("k").text == "1" }
        await store.shutdown()
        await #expect(throws: StorageError.self) { try await store.put("k", ObjectBody("x")) }
    }

    /// Nothing tells what changes then: cold is asked before a copy is served.
    @Test func noCopyIsTrustedWhileTheWatchIsLost() async throws {
        let silent = SilentlyWatched(cold)
        var options = TieredStore.Options()
        options.promotion = .eager
        let store = TieredStore(hot: .init(hot), cold: silent, options: options)
        #expect(!store.isFollowing)
        store.start()
        try await eventually { store.isFollowing }
        try await store.put("k", ObjectBody("0"))
        try await cold.put("k", ObjectBody("1"))
        #expect(try await store.text("k") == ("0", .hot))
        silent.isLost.withLock { $0 = true }
        try await eventually { !store.isFollowing }
        for number in 2..<5 {
            try await cold.put("k", ObjectBody("\(number)"))
            #expect(try await store.text("k") == ("\(number)", .cold))
            #expect(try await store.text("k") == ("\(number)", .hot))
            try await cold.delete("k")
            await #expect(throws: StorageError.self) { try await store.info("k") }
            await #expect(throws: StorageError.self) { try await store.get("k") }
        }
        silent.isLost.withLock { $0 = false }
        try await eventually { store.isFollowing }
        try await store.put("k", ObjectBody("5"))
        try await cold.put("k", ObjectBody("6"))
        #expect(try await store.text("k") == ("5", .hot))
        await store.shutdown()
    }

    @Test func whoIsToldOfAVersionReadsNoOlderOne() async throws {
        let store = store()
        try await store.put("k", ObjectBody("0"))
        let watch = try #require(store.watcher)
        let changes = try await watch(WatchQuery())
        let iterator = changes.makeAsyncIterator()
        for number in 1...20 {
            let found = try await store.text("k")
            #expect(found.text == "\(number - 1)" && found.tier == (number == 1 ? .hot : .cold))
            #expect(try await store.text("k").tier == .hot)
            let info = try await cold.put("k", ObjectBody("\(number)"))
            #expect(try await iterator.next() == .put(info))
        }
    }
}

/// A store whose watch tells nothing before it is lost.
private final class SilentlyWatched: WatchableStore, ForwardingStore {
    let base: any Store
    let isLost = Mutex(false)

    init(_ base: any Store) {
        self.base = base
    }

    func watch(_ query: WatchQuery) async throws(StorageError) -> StoreChanges {
        try check()
        return StoreChanges { () async throws(StorageError) in
            while true {
                try self.check()
                do { try await Task.sleep(for: .milliseconds(1)) } catch { throw .cancelled }
            }
        }
    }

    private func check() throws(StorageError) {
        if isLost.withLock({ $0 }) { throw StorageError(.unavailable, "the watch is lost") }
    }
}
