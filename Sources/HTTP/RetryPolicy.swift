import Synchronization

/// When to try again: exponential backoff with full jitter, and a budget, so that a server in trouble is not flooded
/// by retries of everything at once.
package final class RetryPolicy: Sendable {
    private static let longest = 20.0
    /// Each retry takes ten tokens, each success gives one back.
    private static let capacity = 1000
    private static let cost = 10

    private let maxAttempts: Int
    private let base: Double
    private let tokens = Mutex(RetryPolicy.capacity)

    /// - Parameter base: the first wait takes up to twice as many seconds.
    package init(maxAttempts: Int, base: Double = 0.1) {
        self.maxAttempts = max(1, maxAttempts)
        self.base = base
    }

    /// How long to wait after the failure of attempt number `attempt`, at least as long as the server asks for; nil:
    /// give up.
    package func delay(after attempt: Int, _ retryAfter: Duration?) -> Duration? {
        guard attempt < maxAttempts else { return nil }
        let isGranted = tokens.withLock { tokens in
            guard tokens >= Self.cost else { return false }
            tokens -= Self.cost
            return true
        }
        guard isGranted else { return nil }
        let ceiling = min(Self.longest, base * Double(1 << min(attempt, 16)))
        return max(.seconds(Double.random(in: 0...ceiling)), retryAfter ?? .zero)
    }

    package func succeeded() {
        tokens.withLock { $0 = min(Self.capacity, $0 + 1) }
    }
}
