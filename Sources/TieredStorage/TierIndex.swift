import FoundationEssentials
import Storage
import Synchronization

/// What is known of the copies in the upper tiers, and what goes on under each key: whatever may be served from an upper
/// tier is decided here, in single steps.
///
/// The order of events is kept by epochs. A write takes the trust from every copy before cold hears of it, and what a
/// read or a write has learned of a version counts only if no other write began or ended under the key meanwhile.
struct TierIndex {
    /// What goes on under one key.
    private struct Activity {
        var epoch: UInt64
        var holders = 0
        var writers = 0
        var filling: Set<UpperTier> = []
        /// The version that cold was last seen to have, beside what goes on, since the last write began or ended.
        var seen: Version?
    }

    private var activities: [ObjectKey: Activity] = [:]
    private var lastEpoch: UInt64 = 0
    private var tables: (hot: TierTable?, warm: TierTable?)
    var cold = TierCounters()
    /// Whether cold's changes are to be followed, and how many watches of them there are.
    var wantsFollowing = false
    var watches = 0

    /// Whether changes of cold are missed that would have been told.
    var isBlind: Bool { wantsFollowing && watches == 0 }

    init(hot: TierLimits?, warm: TierLimits?) {
        tables = (hot.map { TierTable($0) }, warm.map { TierTable($0) })
    }

    /// What is known of a tier; nil where there is none.
    subscript(tier: UpperTier) -> TierTable? {
        get { tier == .hot ? tables.hot : tables.warm }
        // In place: no copy of a table is ever made.
        _modify { if tier == .hot { yield &tables.hot } else { yield &tables.warm } }
    }

    // MARK: Epochs

    mutating func begin(_ key: ObjectKey, writes: Bool) -> UInt64 {
        var activity = activities[key] ?? Activity(epoch: nextEpoch())
        activity.holders += 1
        if writes {
            activity.writers += 1
            activity.epoch = nextEpoch()
            activity.seen = nil
            tables.hot?.distrust(key)
            tables.warm?.distrust(key)
        }
        activities[key] = activity
        return activity.epoch
    }

    mutating func end(_ key: ObjectKey, writes: Bool) {
        guard var activity = activities[key] else { return }
        activity.holders -= 1
        if writes {
            activity.writers -= 1
            activity.epoch = nextEpoch()
            activity.seen = nil
        }
        activities[key] = activity.holders == 0 ? nil : activity
    }

    /// Takes the trust from every copy of `key`, and from what is being learned of it.
    mutating func distrust(_ key: ObjectKey) {
        tables.hot?.distrust(key)
        tables.warm?.distrust(key)
        let epoch = nextEpoch()
        activities[key]?.epoch = epoch
        activities[key]?.seen = nil
    }

    mutating func distrustAll() {
        tables.hot?.distrustAll()
        tables.warm?.distrustAll()
        let epoch = nextEpoch()
        for index in activities.values.indices { activities.values[index].epoch = epoch }
    }

    /// Cold was seen to have this version: copies of another one are distrusted, and what goes on counts only if it is of
    /// this one too.
    mutating func compare(_ info: ObjectInfo) {
        compare(info.key, info.version)
    }

    /// The same of what cold's refusal tells of `key`.
    mutating func compare(_ key: ObjectKey, _ error: StorageError) {
        guard error.kind == .notFound || error.kind == .preconditionFailed else { return }
        if let version = error.currentVersion { compare(key, version) } else { distrust(key) }
    }

    private mutating func compare(_ key: ObjectKey, _ version: Version) {
        let isOther = [tables.hot?[key], tables.warm?[key]].contains { copy in
            copy?.known.map { $0.info.version != version } ?? false
        }
        if isOther { return distrust(key) }
        guard let seen = activities[key]?.seen else {
            activities[key]?.seen = version
            return
        }
        // Of two, nobody knows which came last.
        if seen != version { distrust(key) }
    }

    /// Notes a copy; it is trusted where nothing came between since `claim` began. Whether it is.
    mutating func install(
        _ claim: Claim, _ tier: UpperTier, version: Version, size: Int, known: TierTable.Known, now: Date
    ) -> Bool {
        let activity = activities[claim.key]
        let isCurrent =
            claim.trusts && activity?.epoch == claim.epoch && activity?.writers == (claim.writes ? 1 : 0)
            && (activity?.seen.map { $0 == known.info.version } ?? true)
        // What another task knows stays.
        guard isCurrent || self[tier]?[claim.key]?.known == nil else { return false }
        self[tier]?.set(
            claim.key, version: version, size: size, known: isCurrent ? known : nil, verified: claim.started, now: now)
        return isCurrent
    }

    /// Whether no other read is copying the object to the tier; then this one is.
    mutating func beginFilling(_ key: ObjectKey, _ tier: UpperTier) -> Bool {
        activities[key]?.filling.insert(tier).inserted ?? false
    }

    mutating func endFilling(_ key: ObjectKey, _ tier: UpperTier) {
        activities[key]?.filling.remove(tier)
    }

    private mutating func nextEpoch() -> UInt64 {
        lastEpoch += 1
        return lastEpoch
    }
}

/// The right to say which version a copy is of, as long as nothing comes between; ends when it is let go of.
final class Claim: Sendable {
    let key: ObjectKey
    let writes: Bool
    /// Whether what it says is enough: of a put whose message id cold may have known it is not.
    let trusts: Bool
    let epoch: UInt64
    private let store: TieredStore
    private let start: Mutex<ContinuousClock.Instant>

    init(_ store: TieredStore, _ key: ObjectKey, writes: Bool, trusts: Bool = true) {
        self.store = store
        self.key = key
        self.writes = writes
        self.trusts = trusts
        start = Mutex(store.instant())
        epoch = store.index.withLock { $0.begin(key, writes: writes) }
    }

    /// When what it says was true, at the earliest: how long it took to learn it counts.
    var started: ContinuousClock.Instant { start.withLock { $0 } }

    /// What it says was learned of a copy that was compared with cold then.
    func date(from time: ContinuousClock.Instant) {
        start.withLock { $0 = min($0, time) }
    }

    deinit {
        store.index.withLock { $0.end(key, writes: writes) }
    }
}
