import Synchronization

/// The requests that wait for a reply. Reply, timeout, cancellation and close race for each; the first takes it.
final class PendingRequests: Sendable {
    typealias Outcome = Result<NATSMessage, NATSError>

    private struct Pending {
        let complete: @Sendable (Outcome) -> Void
        let subject: String
        let timeout: UInt64
    }

    private struct State {
        var pending: [UInt64: Pending] = [:]
        var nextToken: UInt64 = 0
        var closed: NATSError?
    }

    private let state = Mutex(State())
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    var count: Int { state.withLock { $0.pending.count } }

    /// Registers a request, calls `send` with its token, and waits for what comes first.
    func wait(
        subject: String, timeout: Duration, send: @escaping @Sendable (UInt64) -> Void
    ) async -> Outcome {
        let token = newToken()
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let complete: @Sendable (Outcome) -> Void = { continuation.resume(returning: $0) }
                if let refusal = install(token, complete, subject, timeout) {
                    continuation.resume(returning: .failure(refusal))
                } else if Task.isCancelled {
                    // The handler below may have run before there was anything to take.
                    resume(token, .failure(Self.cancelled(subject)))
                } else {
                    send(token)
                }
            }
        } onCancel: {
            resume(token, .failure(Self.cancelled(subject)))
        }
    }

    /// Registers a request whose outcome `complete` takes, once, on any thread; its token, or why it can't be.
    func start(
        subject: String, timeout: Duration, complete: @escaping @Sendable (Outcome) -> Void
    ) -> Result<UInt64, NATSError> {
        let token = newToken()
        return install(token, complete, subject, timeout).map { .failure($0) } ?? .success(token)
    }

    private func newToken() -> UInt64 {
        state.withLock { state in
            state.nextToken &+= 1
            return state.nextToken
        }
    }

    /// Ends one request, if it still waits.
    func resume(_ token: UInt64, _ outcome: Outcome) {
        guard let pending = state.withLock({ $0.pending.removeValue(forKey: token) }) else { return }
        Timeouts.shared.cancel(pending.timeout)
        pending.complete(outcome)
    }

    /// Ends every request on `subject`.
    func fail(subject: String, _ error: NATSError) {
        let tokens = state.withLock { $0.pending.filter { $0.value.subject == subject }.map(\.key) }
        for token in tokens { resume(token, .failure(error)) }
    }

    /// Ends every request, and refuses later ones.
    func close(_ error: NATSError) {
        let tokens = state.withLock { state in
            state.closed = error
            return Array(state.pending.keys)
        }
        for token in tokens { resume(token, .failure(error)) }
    }

    private func install(
        _ token: UInt64, _ complete: @escaping @Sendable (Outcome) -> Void, _ subject: String, _ timeout: Duration
    ) -> NATSError? {
        state.withLock { state in
            if let closed = state.closed { return closed }
            guard state.pending.count < capacity else {
                return NATSError(.slowConsumer, "more than \(capacity) requests wait for replies")
            }
            let timer = Timeouts.shared.schedule(after: timeout) { [weak self] in
                let error = NATSError(.timeout, "no reply from “\(subject)” within \(timeout)")
                self?.resume(token, .failure(error))
            }
            state.pending[token] = Pending(complete: complete, subject: subject, timeout: timer)
            return nil
        }
    }

    private static func cancelled(_ subject: String) -> NATSError {
        NATSError(.cancelled, "the request to “\(subject)” was cancelled")
    }
}
