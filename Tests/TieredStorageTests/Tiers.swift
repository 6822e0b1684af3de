import Foundation
import Storage
import Synchronization
import TestSupport
import TieredStorage

/// Three memory stores as tiers, and a clock that is set by hand.
struct Tiers: Sendable {
    let clock = TestClock()
    let hot: MemoryStore
    let warm: MemoryStore
    let cold: MemoryStore

    init() {
        hot = MemoryStore(now: clock.now)
        warm = MemoryStore(now: clock.now)
        cold = MemoryStore(now: clock.now)
    }

    /// A tiered store over them, as a process that starts now would have it.
    func store(
        hot limits: TierLimits = TierLimits(), warm warmLimits: TierLimits = TierLimits(),
        _ adjust: (inout TieredStore.Options) -> Void = { _ in }
    ) -> TieredStore {
        var options = TieredStore.Options()
        options.promotion = .eager
        adjust(&options)
        return TieredStore(
            hot: .init(hot, limits: limits), warm: .init(warm, limits: warmLimits), cold: cold, options: options,
            now: clock.now, instant: clock.instant)
    }

    /// In which tiers' stores something lies under `key`, current or not.
    func holders(of key: ObjectKey) async -> Set<Tier> {
        var holders: Set<Tier> = []
        for (tier, store) in [(Tier.hot, hot), (.warm, warm), (.cold, cold)] {
            if (try? await store.info(key)) != nil { holders.insert(tier) }
        }
        return holders
    }
}

extension TieredStore {
    /// The text under `key` and the tier that it came from.
    func text(_ key: ObjectKey) async throws -> (text: String, tier: Tier) {
        let found = try await read(key)
        return (String(decoding: try await found.object.body.collect(upTo: 1 << 26), as: UTF8.self), found.tier)
    }
}

/// A body that comes in chunks.
func stream(_ bytes: [UInt8], chunk: Int, then error: StorageError? = nil) -> ObjectBody {
    let offset = Mutex(0)
    return ObjectBody(size: nil) { () async throws(StorageError) in
        let range = offset.withLock { start in
            defer { start = min(start + chunk, bytes.count) }
            return start..<min(start + chunk, bytes.count)
        }
        guard range.isEmpty else { return Array(bytes[range]) }
        if let error { throw error }
        return nil
    }
}
