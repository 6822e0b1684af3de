/// The rates of a ``ThrottledStore``; unlimited unless set.
public struct ThrottleOptions: Sendable {
    /// What becomes of an operation over a rate.
    public enum WhenExceeded: Sendable, Hashable {
        /// It waits for its turn.
        case wait
        /// It throws `throttled`, with the time after which it would be let through.
        case refuse
    }

    /// Gets, infos and lists; nil: any number.
    public var readsPerMinute: Int?
    /// Puts, deletes and changes of metadata; nil: any number.
    public var writesPerMinute: Int?
    /// How many reads, and how many writes, may come at once after a pause.
    public var burst = 1
    /// Bytes of bodies, read and written together; nil: any number. One second's worth may come at once.
    public var bytesPerSecond: Int?
    /// What becomes of an operation over a rate. A body that has begun always waits.
    public var whenExceeded = WhenExceeded.wait
    /// No operation waits longer for its turn: where it would have to, it throws `throttled` at once.
    public var maxWait = Duration.seconds(60)

    /// No limits.
    public init() {}
}

/// What a ``ThrottledStore`` let through and held back.
public struct ThrottleStatistics: Sendable, Hashable {
    /// Gets, infos and lists, those refused included.
    public internal(set) var reads = 0
    /// Puts, deletes and changes of metadata, those refused included.
    public internal(set) var writes = 0
    /// Reads that waited or were refused.
    public internal(set) var throttledReads = 0
    /// Writes that waited or were refused.
    public internal(set) var throttledWrites = 0
    /// What of them was refused.
    public internal(set) var refusals = 0
    /// How long reads waited for their turn, all together.
    public internal(set) var readDelay = Duration.zero
    /// How long writes waited for their turn, all together.
    public internal(set) var writeDelay = Duration.zero
    /// The bytes of bodies that passed.
    public internal(set) var bytes = 0
    /// How long bodies waited on their way, all together.
    public internal(set) var byteDelay = Duration.zero
}
