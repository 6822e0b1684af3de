extension MemoryStore {
    /// Bounds of what a memory store holds.
    public struct Limits: Sendable {
        /// What a put does that would go over them.
        public enum WhenFull: Sendable, Hashable {
            /// Drops the objects that were read or written longest ago, and says which.
            case evictLeastRecentlyUsed
            /// Throws `unavailable` and leaves everything as it is.
            case refuse
        }

        /// The most bytes of all objects together; an object of more is `tooLarge`.
        public var maxBytes: Int
        /// The most objects.
        public var maxEntries: Int
        /// What a put does that would go over them.
        public var whenFull: WhenFull

        /// Unbounded unless given.
        public init(
            maxBytes: Int = .max, maxEntries: Int = .max, whenFull: WhenFull = .evictLeastRecentlyUsed
        ) {
            self.maxBytes = maxBytes
            self.maxEntries = maxEntries
            self.whenFull = whenFull
        }

        var isBounded: Bool { maxBytes < .max || maxEntries < .max }
    }

    /// What a memory store holds and did.
    public struct Statistics: Sendable, Hashable {
        /// The objects there are.
        public internal(set) var entries = 0
        /// Their bytes.
        public internal(set) var bytes = 0
        /// The gets and infos that found an object.
        public internal(set) var hits = 0
        /// The gets and infos that found none.
        public internal(set) var misses = 0
        /// The objects stored.
        public internal(set) var puts = 0
        /// The deletes that found an object.
        public internal(set) var deletes = 0
        /// The objects dropped to make room for others.
        public internal(set) var evictions = 0
    }
}
