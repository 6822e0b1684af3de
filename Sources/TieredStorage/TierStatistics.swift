public import Storage
import Synchronization
public import FoundationEssentials

/// What happened in one tier.
struct TierCounters {
    var hits = 0
    var misses = 0
    var evictions = 0
    var demotions = 0
    var failures = 0
}

/// What one tier holds and did.
public struct TierStatistics: Sendable, Hashable {
    /// The bytes there.
    public var bytes: Int
    /// The objects there.
    public var items: Int
    /// The gets that it served.
    public var hits: Int
    /// The gets that asked it and found nothing to serve.
    public var misses: Int
    /// The copies that had to leave, demoted ones included; never from cold.
    public var evictions: Int
    /// Those of them that were copied to the tier below.
    public var demotions: Int
    /// The operations on the tier that failed and were bypassed; cold's failures reach the caller instead.
    public var failures: Int

    /// Which part of the gets that asked it the tier served, 0…1; zero before the first.
    public var hitRate: Double { hits + misses == 0 ? 0 : Double(hits) / Double(hits + misses) }

    init(bytes: Int, items: Int, _ counters: TierCounters) {
        self.bytes = bytes
        self.items = items
        hits = counters.hits
        misses = counters.misses
        evictions = counters.evictions
        demotions = counters.demotions
        failures = counters.failures
    }

    init?(_ table: TierTable?) {
        guard let table else { return nil }
        self.init(bytes: table.bytes, items: table.count, table.counters)
    }
}

/// What all tiers hold and did.
public struct TieredStatistics: Sendable, Hashable {
    /// Of hot, where there is one.
    public var hot: TierStatistics?
    /// Of warm, where there is one.
    public var warm: TierStatistics?
    /// Of cold.
    public var cold: TierStatistics

    private var all: [TierStatistics] { [hot, warm, cold].compactMap(\.self) }

    /// The hits of all tiers.
    public var totalHits: Int { all.reduce(0) { $0 + $1.hits } }
    /// The misses of all tiers.
    public var totalMisses: Int { all.reduce(0) { $0 + $1.misses } }
    /// Which part of all asking was a hit, 0…1; zero before the first.
    public var hitRate: Double {
        totalHits + totalMisses == 0 ? 0 : Double(totalHits) / Double(totalHits + totalMisses)
    }
}

/// What is known of the copies of one object.
public struct TierResidence: Sendable, Hashable {
    /// The upper tiers that hold a copy known to be current.
    public var tiers: Set<UpperTier>
    /// How often these copies were read.
    public var accesses: Int
    /// When one was last read or written; nil where there is none.
    public var lastAccess: Date?
}

extension TieredStore {
    /// What the tiers hold and did. What lies in cold is counted by listing it, page by page.
    ///
    /// - Throws: what cold's listing throws.
    public func statistics() async throws(StorageError) -> TieredStatistics {
        var (bytes, items) = (0, 0)
        for try await info in cold.infos(ListQuery(limit: ListQuery.maximumLimit)) {
            items += 1
            bytes.addSize(info.size)
        }
        return index.withLock { index in
            TieredStatistics(
                hot: TierStatistics(index[.hot]), warm: TierStatistics(index[.warm]),
                cold: TierStatistics(bytes: bytes, items: items, index.cold))
        }
    }

    /// What an upper tier holds and did, from memory; nil where there is none.
    public func statistics(of tier: UpperTier) -> TierStatistics? {
        index.withLock { TierStatistics($0[tier]) }
    }

    /// Where copies of `key` lie, and how often and when they were used.
    public func residence(of key: ObjectKey) -> TierResidence {
        index.withLock { index in
            var residence = TierResidence(tiers: [], accesses: 0)
            for tier in UpperTier.allCases {
                guard let copy = index[tier]?[key], copy.known != nil else { continue }
                residence.tiers.insert(tier)
                residence.accesses += copy.accesses
                residence.lastAccess = max(residence.lastAccess ?? copy.lastAccess, copy.lastAccess)
            }
            return residence
        }
    }
}

extension TieredStore: MeasuredStore {
    /// Of cold only what was done there: what lies there would have to be listed.
    public var measurements: [StoreMeasurement] {
        let (hot, warm, cold) = index.withLock { index in
            (TierStatistics(index[.hot]), TierStatistics(index[.warm]), TierStatistics(bytes: 0, items: 0, index.cold))
        }
        var all = cold.counters("cold") + [.gauge("tier_following", isFollowing ? 1 : 0)]
        for (name, tier) in [("hot", hot), ("warm", warm)] {
            guard let tier else { continue }
            let labels = ["tier": name]
            all += tier.counters(name)
            all += [
                .gauge("tier_objects", Double(tier.items), labels), .gauge("tier_bytes", Double(tier.bytes), labels),
            ]
        }
        return all
    }
}

extension TierStatistics {
    fileprivate func counters(_ tier: String) -> [StoreMeasurement] {
        [
            ("hits", hits), ("misses", misses), ("evictions", evictions), ("demotions", demotions),
            ("failures", failures),
        ].map { .counter("tier_\($0.0)_total", Double($0.1), ["tier": tier]) }
    }
}
