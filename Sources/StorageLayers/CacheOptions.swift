/// How much a ``CachedStore`` keeps, and for how long.
public struct CacheOptions: Sendable {
    /// What makes an object leave the cache, changes aside.
    public enum Strategy: Sendable, Hashable {
        /// It was used longest ago when room is needed. Changes made elsewhere are seen only where the store beneath
        /// can be watched: elsewhere the cache must be the only way to write.
        case lru
        /// Its time is over, or it was fetched longest ago when room is needed.
        case ttl
        /// Its time is over, or it was used longest ago when room is needed.
        case hybrid
    }

    /// What makes an object leave the cache.
    public var strategy = Strategy.hybrid
    /// The most objects, infos and absences kept.
    public var maxEntries = 10_000
    /// The most bytes of all of them together, names and metadata included.
    public var maxBytes = 64 << 20
    /// Larger objects are read past the cache.
    public var maxObjectSize = 1 << 20
    /// How long an entry lives, unless the strategy is `lru`: the longest time for which a change made elsewhere may be
    /// missed where the store beneath can't be watched.
    public var timeToLive = Duration.seconds(300)
    /// How long it is remembered that there is no object; nil: not at all.
    public var negativeTimeToLive: Duration?

    /// These unless changed.
    public init() {}
}

/// What a ``CachedStore`` holds and did.
public struct CacheStatistics: Sendable, Hashable {
    /// The gets and infos answered from memory, those that knew of an absence included.
    public internal(set) var hits = 0
    /// Of them, those that knew that there is no object.
    public internal(set) var negativeHits = 0
    /// The gets and infos that were not.
    public internal(set) var misses = 0
    /// Of the misses, those that shared another one's fetch.
    public internal(set) var shared = 0
    /// The entries that left since room was needed.
    public internal(set) var evictions = 0
    /// The entries found to be too old.
    public internal(set) var expirations = 0
    /// The entries dropped since their object changed, or may have.
    public internal(set) var invalidations = 0
    /// The entries there are.
    public internal(set) var entries = 0
    /// Their bytes.
    public internal(set) var bytes = 0
    /// Whether changes made elsewhere are being followed.
    public internal(set) var isFollowing = false
}
