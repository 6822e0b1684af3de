import Synchronization

/// When to try again: exponential backoff with full jitter, and a budget, so that a server in trouble is not flooded
/// by retries of everything at once.
package final class Backoff: Sendable {
    /// Each retry takes ten tokens, each success gives one back.
    private static let cost = 10

    private let maxAttempts: Int
    private let base: Duration
    private let longest: Duration
    private let capacity: Int
    private let tokens: Mutex<Int>
    private let granted = Atomic(0)

    /// How many retries were granted.
    package var retries: Int { granted.load(ordering: .relaxed) }

    /// - Parameters:
    ///   - base: the longest wait before the first retry; it doubles from then on, up to `longest`.
    ///   - budget: how many retries there may be while nothing succeeds.
    package init(
        maxAttempts: Int, base: Duration = .milliseconds(200), longest: Duration = .seconds(20), budget: Int = 100
    ) {
        self.maxAttempts = max(1, maxAttempts)
        self.base = base
        self.longest = longest
        capacity = min(max(0, budget), 1 << 32) * Self.cost
        tokens = Mutex(capacity)
    }

    /// How long to wait after the failure of attempt number `attempt`, the first being 1, at least as long as the server
    /// asks for; nil: give up.
    package func delay(after attempt: Int, asked: Duration? = nil) -> Duration? {
        guard attempt < maxAttempts, takeTokens() else { return nil }
        granted.add(1, ordering: .relaxed)
        let ceiling = min(longest, base * (1 << min(max(attempt - 1, 0), 30)))
        return max(ceiling * Double.random(in: 0...1), asked ?? .zero)
    }

    /// Something succeeded.
    package func succeeded() {
        tokens.withLock { if $0 < capacity { $0 += 1 } }
    }

    private func takeTokens() -> Bool {
        tokens.withLock { tokens in
            guard tokens >= Self.cost else { return false }
            tokens -= Self.cost
            return true
        }
    }
}
