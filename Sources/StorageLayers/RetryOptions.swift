/// How often, and after how long, a ``RetryingStore`` tries again.
public struct RetryOptions: Sendable {
    /// How often an operation is tried in all: at least once.
    public var maxAttempts = 3
    /// The wait before the first retry is random, up to so long; before each further one it may be twice as long.
    public var baseDelay = Duration.milliseconds(100)
    /// No wait is longer. Where a store asks for a longer one, its error is thrown at once.
    public var maxDelay = Duration.seconds(5)
    /// How many retries may follow one another while nothing succeeds, over all operations: a store in trouble is not
    /// flooded by retries of everything at once. Ten successes make up for one retry.
    public var budget = 100
    /// A streamed body that announces at most so many bytes is gathered before it is put, so that it can be put again. A
    /// larger one is put again only where nothing of it was read.
    public var replayLimit = 1 << 20

    /// These unless changed.
    public init() {}
}
