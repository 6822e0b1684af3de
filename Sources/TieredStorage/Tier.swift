/// Where an object is read from: the two upper tiers hold copies, cold holds the truth.
public enum Tier: String, Sendable, Hashable, CaseIterable {
    /// The fastest and smallest: memory.
    case hot
    /// In between: a disk, a database.
    case warm
    /// The one that holds every object.
    case cold

    /// The same tier where it is an upper one; nil for cold.
    public var upper: UpperTier? { UpperTier(rawValue: rawValue) }
}

/// A tier that holds copies: what may be skipped, evicted from and warmed up.
public enum UpperTier: String, Sendable, Hashable, CaseIterable, Comparable {
    /// The fastest and smallest.
    case hot
    /// Below hot.
    case warm

    /// The same tier among all.
    public var tier: Tier { self == .hot ? .hot : .warm }

    /// Hot comes first.
    public static func < (left: UpperTier, right: UpperTier) -> Bool { left == .hot && right == .warm }
}
