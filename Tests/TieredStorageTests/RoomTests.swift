import Storage
import StorageLayers
import TestSupport
import Testing
import TieredStorage

/// What leaves an upper tier, and what comes back.
@Suite struct RoomTests {
    private let tiers = Tiers()

    private func put(_ keys: [ObjectKey], to store: TieredStore, bytes: Int = 1) async throws {
        for key in keys {
            try await store.put(key, ObjectBody([UInt8](repeating: 1, count: bytes)))
            tiers.clock.advance(1)
        }
    }

    @Test func whatWasUsedLongestAgoLeavesByCount() async throws {
        let store = tiers.store(hot: TierLimits(maxObjects: 2))
        try await put(["a", "b"], to: store)
        _ = try await store.text("a")
        try await put(["c"], to: store)
        #expect(await tiers.holders(of: "a") == [.hot, .warm, .cold])
        #expect(await tiers.holders(of: "b") == [.warm, .cold])
        #expect(store.statistics(of: .hot)?.evictions == 1 && store.statistics(of: .hot)?.items == 2)
        #expect(try await store.text("b").tier == .warm)
        #expect(await tiers.holders(of: "a") == [.warm, .cold])
    }

    @Test func itLeavesBySize() async throws {
        let store = tiers.store(hot: TierLimits(maxBytes: 100))
        try await put(["a", "b", "c"], to: store, bytes: 40)
        #expect(store.statistics(of: .hot)?.bytes == 80 && tiers.hot.statistics.bytes == 80)
        try await put(["d"], to: store, bytes: 100)
        #expect(tiers.hot.statistics.entries == 1)
        #expect(try await store.write("e", ObjectBody(bytes(101))).tiers == [.warm, .cold])
        #expect(await tiers.holders(of: "d") == [.hot, .warm, .cold])
    }

    @Test func itLeavesByAge() async throws {
        let store = tiers.store(hot: TierLimits(maxIdle: .seconds(10)), warm: TierLimits(maxIdle: .seconds(30)))
        try await put(["a", "b"], to: store)
        tiers.clock.advance(8)
        _ = try await store.text("b")
        tiers.clock.advance(4)
        _ = try await store.maintain()
        #expect(await tiers.holders(of: "a") == [.warm, .cold])
        #expect(await tiers.holders(of: "b") == [.hot, .warm, .cold])
        tiers.clock.advance(40)
        _ = try await store.maintain()
        #expect(await tiers.holders(of: "b") == [.cold])
    }

    @Test func whatIsNotInWarmIsDemotedToIt() async throws {
        let store = tiers.store(hot: TierLimits(maxObjects: 1))
        _ = try await store.write("a", ObjectBody("a"), options: TieredPutOptions(skip: [.warm]))
        #expect(await tiers.holders(of: "a") == [.hot, .cold])
        try await put(["b"], to: store)
        #expect(await tiers.holders(of: "a") == [.warm, .cold])
        #expect(store.statistics(of: .hot)?.demotions == 1)
        #expect(try await store.text("a") == ("a", .warm))
        let plain = Tiers()
        let evicting = plain.store(hot: TierLimits(maxObjects: 1, demotes: false))
        _ = try await evicting.write("a", ObjectBody("a"), options: TieredPutOptions(skip: [.warm]))
        try await evicting.put("b", ObjectBody("b"))
        #expect(await plain.holders(of: "a") == [.cold])
    }

    @Test func aTierThatCannotDeleteIsTriedAgainLater() async throws {
        var faults = Faults()
        faults.failEvery = 1
        faults.operations = [.delete]
        let store = TieredStore(
            hot: .init(FaultyStore(tiers.hot, faults), limits: TierLimits(maxObjects: 1)), cold: tiers.cold)
        try await put(["a", "b", "c"], to: store)
        #expect(store.statistics(of: .hot)?.items == 3)
        #expect(try await store.delete("a"))
        await #expect(throws: StorageError.self) { try await store.get("a") }
        #expect(try await store.text("b").text == "\u{1}")
    }

    @Test func aRestartCountsWhatLiesThere() async throws {
        try await put(["a", "b", "c"], to: tiers.store(), bytes: 10)
        let store = tiers.store(warm: TierLimits(maxObjects: 2))
        #expect(store.statistics(of: .warm)?.items == 0)
        try await store.recover()
        #expect(store.statistics(of: .hot)?.items == 3 && store.statistics(of: .hot)?.bytes == 30)
        // The oldest had to leave.
        #expect(await tiers.holders(of: "a") == [.hot, .cold])
        #expect(try await store.text("a").tier == .hot)
    }

    /// Nobody knows how often it was read before.
    @Test func whatLiesThereIsIdleFromTheRestartOn() async throws {
        try await put(["a", "b"], to: tiers.store())
        tiers.clock.advance(1000)
        let store = tiers.store(warm: TierLimits(maxIdle: .seconds(30)))
        try await store.recover()
        #expect(await tiers.holders(of: "a") == [.hot, .warm, .cold])
        tiers.clock.advance(30)
        _ = try await store.maintain()
        #expect(await tiers.holders(of: "a") == [.hot, .cold])
    }

    @Test func ofWhatLiesThereTheOldestLeavesFirst() async throws {
        let count = ListQuery.maximumLimit + 50
        let keys = try (0..<count).map { try ObjectKey(validating: "\(100_000 + $0)") }
        // The newest are listed first.
        for key in keys.reversed() {
            try await tiers.warm.put(key, ObjectBody("x"))
            tiers.clock.advance(1)
        }
        let store = tiers.store(warm: TierLimits(maxObjects: 101))
        try await put(["new"], to: store)
        try await store.recover()
        let left = try await tiers.warm.list(ListQuery(limit: ListQuery.maximumLimit)).keys
        #expect(left == keys.prefix(100) + ["new"])
    }

    @Test func manyLeaveWhenTheLimitsAreLowered() async throws {
        for number in 0..<300 { try await tiers.store().put(try ObjectKey(validating: "\(number)"), ObjectBody("x")) }
        let store = tiers.store(hot: TierLimits(maxObjects: 10))
        try await store.recover()
        #expect(tiers.hot.statistics.entries == 10 && store.statistics(of: .hot)?.evictions == 290)
        #expect(tiers.warm.statistics.entries == 300)
    }

    @Test func hotIsWarmedUpWithTheNewest() async throws {
        try await put(["old", "a", "b", "c"], to: tiers.store(), bytes: 10)
        let store = tiers.store { $0.promotion = .lazy }
        try await store.evict(prefix: "", from: [.hot])
        var options = TieredStore.WarmUp()
        options.maxObjects = 3
        options.concurrency = 1
        var told: [Int] = []
        let done = try await store.warmUp(.hot, from: .warm, options: options) { told.append($0.copied) }
        #expect(done.total == 3 && done.copied == 3 && done.failed == 0 && done.bytes == 30 && told == [1, 2, 3])
        #expect(await tiers.holders(of: "old") == [.warm, .cold])
        #expect(await tiers.holders(of: "a") == [.hot, .warm, .cold])
        #expect(try await store.text("c").tier == .hot)
    }

    /// What was demoted is no newer for it.
    @Test func theNewestAreThoseThatColdSaysAre() async throws {
        let store = tiers.store(hot: TierLimits(maxObjects: 1))
        _ = try await store.write("old", ObjectBody("x"), options: TieredPutOptions(skip: [.warm]))
        tiers.clock.advance(10)
        _ = try await store.write("new", ObjectBody("x"), options: TieredPutOptions(skip: [.hot]))
        tiers.clock.advance(10)
        _ = try await store.write("pushes", ObjectBody("x"), options: TieredPutOptions(skip: [.warm]))
        #expect(await tiers.holders(of: "old") == [.warm, .cold])
        let next = tiers.store()
        try await next.evict(prefix: "", from: [.hot])
        var options = TieredStore.WarmUp()
        options.maxObjects = 1
        try await next.warmUp(.hot, from: .warm, options: options)
        #expect(await tiers.holders(of: "new") == [.hot, .warm, .cold])
        #expect(await tiers.holders(of: "old") == [.warm, .cold])
    }

    @Test func warmIsWarmedUpFromColdWithinBytes() async throws {
        for number in 0..<30 {
            try await tiers.cold.put(try ObjectKey(validating: "k/\(number)"), ObjectBody(bytes(10)))
            tiers.clock.advance(1)
        }
        try await tiers.cold.put("other", ObjectBody("x"))
        let store = tiers.store()
        var options = TieredStore.WarmUp()
        options.prefix = "k/"
        options.maxBytes = 105
        let done = try await store.warmUp(.warm, from: .cold, options: options)
        #expect(done.copied == 10 && tiers.warm.statistics.entries == 10 && tiers.hot.statistics.entries == 0)
        #expect(await tiers.holders(of: "k/29") == [.warm, .cold])
        for (tier, source) in [(UpperTier.warm, Tier.hot), (.warm, .warm), (.hot, .hot)] {
            await #expect(throws: StorageError.self) { try await store.warmUp(tier, from: source) }
        }
        let flat = TieredStore(cold: tiers.cold)
        await #expect(throws: StorageError.self) { try await flat.warmUp(.hot, from: .cold) }
    }
}
