public import Storage

extension TieredStore {
    /// An upper tier: a store, and how much it is to hold.
    public struct Upper: Sendable {
        /// Where the copies lie; nothing else may write there.
        public var store: any Store
        /// How much is kept there.
        public var limits: TierLimits

        /// `store`, with `limits`.
        public init(_ store: any Store, limits: TierLimits = TierLimits()) {
            self.store = store
            self.limits = limits
        }
    }

    /// When a read from a lower tier leaves a copy in those above.
    public enum Promotion: Sendable, Hashable {
        /// At once: the next read is served from hot.
        case eager
        /// Never; writes, ``TieredStore/promote(_:to:)`` and ``TieredStore/warmUp(_:from:options:progress:)`` do.
        case lazy
    }

    /// How the tiers work together.
    public struct Options: Sendable {
        /// When a read leaves copies in upper tiers.
        public var promotion = Promotion.lazy
        /// How long objects live whose put does not say; nil: for ever. Needs a cold tier with `timeToLive`.
        public var defaultTimeToLive: Duration?
        /// Which upper tiers a key's copies may lie in: the first rule that matches says; none: in all of them.
        public var placement: [PlacementRule] = []
        /// How long a copy is served without asking cold whether it is still the current version; zero: never without.
        /// nil: until a write through this store, or a change seen by ``TieredStore/follow()``, replaces it.
        public var revalidateAfter: Duration?
        /// Bodies of up to so many bytes are held in memory on their way to several tiers; larger ones go to all of
        /// them at once, chunk by chunk.
        public var bufferLimit = 1 << 20

        /// Lazy promotion, no expiry, copies anywhere.
        public init() {}
    }
}

/// How much an upper tier holds. What is over is demoted or evicted, what was used longest ago first.
public struct TierLimits: Sendable, Hashable {
    /// The most objects; what a tier holds is known by key in memory, some 300 bytes each.
    public var maxObjects: Int
    /// The most bytes.
    public var maxBytes: Int
    /// The most bytes of one object; larger ones are never copied there.
    public var maxObjectBytes: Int
    /// How long an object stays that nobody reads; nil: as long as there is room.
    public var maxIdle: Duration?
    /// Whether what has to leave hot is copied to warm where it is not there: demoted. Otherwise, and from warm, it is
    /// evicted. Cold has it in any case.
    public var demotes: Bool

    /// A million objects of any size unless told otherwise.
    public init(
        maxObjects: Int = 1_000_000, maxBytes: Int = .max, maxObjectBytes: Int = .max, maxIdle: Duration? = nil,
        demotes: Bool = true
    ) {
        self.maxObjects = maxObjects
        self.maxBytes = maxBytes
        self.maxObjectBytes = maxObjectBytes
        self.maxIdle = maxIdle
        self.demotes = demotes
    }
}

/// Which upper tiers the copies of some keys may lie in.
public struct PlacementRule: Sendable, Hashable {
    /// The keys it speaks of.
    public enum Match: Sendable, Hashable {
        /// Those that begin with these bytes; empty: all.
        case prefix(String)
        /// Those that match.
        case pattern(KeyPattern)
    }

    /// The keys.
    public var match: Match
    /// Where their copies may lie; empty: in cold alone.
    public var tiers: Set<UpperTier>

    /// Copies of what matches lie in `tiers`.
    public init(_ match: Match, tiers: Set<UpperTier>) {
        self.match = match
        self.tiers = tiers
    }

    func matches(_ key: ObjectKey) -> Bool {
        switch match {
        case .prefix(let prefix): key.rawValue.utf8HasPrefix(prefix)
        case .pattern(let pattern): pattern.matches(key)
        }
    }
}

/// How to put into tiers.
public struct TieredPutOptions: Sendable {
    /// As for any store; cold decides the precondition.
    public var put: PutOptions
    /// The upper tiers that get no copy by this put. Copies of the version before are removed there all the same.
    public var skip: Set<UpperTier>

    /// A plain put to every tier unless told otherwise.
    public init(put: PutOptions = PutOptions(), skip: Set<UpperTier> = []) {
        self.put = put
        self.skip = skip
    }
}

/// An object, and where it came from.
public struct TieredObject: Sendable {
    /// The object, with cold's info.
    public var object: StoredObject
    /// The tier that served it.
    public var tier: Tier
}

/// What a put did.
public struct TieredPut: Sendable {
    /// Cold's info.
    public var info: ObjectInfo
    /// The tiers that hold this version now; cold always.
    public var tiers: Set<Tier>
}
