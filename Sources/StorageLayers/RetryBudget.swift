import Storage
import Synchronization

/// When to try again: exponential backoff with full jitter, and a budget for all operations together.
struct RetryBudget: ~Copyable, Sendable {
    private static let tokensPerRetry = 10

    private let options: RetryOptions
    private let tokens: Mutex<Int>
    private let granted = Atomic(0)

    init(_ options: RetryOptions) {
        self.options = options
        tokens = Mutex(max(0, options.budget) * Self.tokensPerRetry)
    }

    /// How many retries were granted.
    var retries: Int { granted.load(ordering: .relaxed) }

    func succeeded() {
        let most = max(0, options.budget) * Self.tokensPerRetry
        tokens.withLock { if $0 < most { $0 += 1 } }
    }

    /// How long to wait before another attempt, after attempt number `attempt`, the first being 1; nil: give up.
    func delay(after attempt: Int, _ error: StorageError) -> Duration? {
        guard error.errorClass == .transient, error.kind != .cancelled, attempt < options.maxAttempts else {
            return nil
        }
        let asked = error.retryAfter ?? .zero
        guard asked <= options.maxDelay, takeTokens() else { return nil }
        granted.add(1, ordering: .relaxed)
        let ceiling = min(options.maxDelay, options.baseDelay * (1 << min(attempt - 1, 30)))
        return max(asked, ceiling * Double.random(in: 0...1))
    }

    private func takeTokens() -> Bool {
        tokens.withLock { tokens in
            guard tokens >= Self.tokensPerRetry else { return false }
            tokens -= Self.tokensPerRetry
            return true
        }
    }
}
