import Synchronization

/// The requests that wait for a reply. Reply, timeout, cancellation and close race for each; the first takes it.
final class PendingRequests: Sendable {
    typealias Outcome = Result<NATSMessage, NATSError>

    private struct Pending {
        let complete: @Sendable (Outcome) -> Void
        let subject: String
        let timeout: Duration
        let deadline: ContinuousClock.Instant
    }

    private struct State {
        var pending: [UInt64: Pending] = [:]
        var nextToken: UInt64 = 0
        var isSweeping = false
        var closed: NATSError?
        var refused: NATSError?
        var abandoned: (@Sendable (UInt64) -> Void)?
    }

    /// How often deadlines are looked at: a timer per request costs more than the request.
    private static let sweepInterval: Duration = .milliseconds(10)

    private let state = Mutex(State())
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    var count: Int { state.withLock { $0.pending.count } }

    /// Has `abandoned` told of each request that ends without a reply.
    func setAbandoned(_ abandoned: @escaping @Sendable (UInt64) -> Void) {
        state.withLock { $0.abandoned = abandoned }
    }

    /// Whether it still waits.
    func isPending(_ token: UInt64) -> Bool { state.withLock { $0.pending[token] != nil } }

    /// Registers a request whose outcome `complete` takes, once, on any thread; its token.
    func start(
        subject: String, timeout: Duration, complete: @escaping @Sendable (Outcome) -> Void
    ) throws(NATSError) -> UInt64 {
        let pending = Pending(complete: complete, subject: subject, timeout: timeout, deadline: .now + timeout)
        let (result, mustSweep) = state.withLock { state -> (Result<UInt64, NATSError>, Bool) in
            if let error = state.closed ?? state.refused { return (.failure(error), false) }
            guard state.pending.count < capacity else {
                return (.failure(NATSError(.slowConsumer, "more than \(capacity) requests wait for replies")), false)
            }
            state.nextToken &+= 1
            state.pending[state.nextToken] = pending
            defer { state.isSweeping = true }
            return (.success(state.nextToken), !state.isSweeping)
        }
        if mustSweep { scheduleSweep() }
        return try result.get()
    }

    /// Ends one request, if it still waits, with a reply that is made of its subject.
    func answer(_ token: UInt64, _ reply: (String) -> NATSMessage) {
        guard let pending = state.withLock({ $0.pending.removeValue(forKey: token) }) else { return }
        pending.complete(.success(reply(pending.subject)))
    }

    /// Ends one request without a reply, if it still waits.
    func fail(_ token: UInt64, _ error: NATSError) {
        let (pending, abandoned) = state.withLock { ($0.pending.removeValue(forKey: token), $0.abandoned) }
        guard let pending else { return }
        abandoned?(token)
        pending.complete(.failure(error))
    }

    /// Ends every request on `subject`.
    func fail(subject: String, _ error: NATSError) {
        let tokens = state.withLock { $0.pending.filter { $0.value.subject == subject }.map(\.key) }
        for token in tokens { fail(token, error) }
    }

    /// Ends every request, and refuses later ones.
    func close(_ error: NATSError) {
        let tokens = state.withLock { state in
            state.closed = error
            return Array(state.pending.keys)
        }
        for token in tokens { fail(token, error) }
        state.withLock { $0.abandoned = nil }
    }

    /// Ends every request, and refuses later ones until ``admit()``.
    func refuse(_ error: NATSError) {
        let tokens = state.withLock { state in
            state.refused = error
            return Array(state.pending.keys)
        }
        for token in tokens { fail(token, error) }
    }

    /// Takes requests again.
    func admit() { state.withLock { $0.refused = nil } }

    private func scheduleSweep() {
        _ = Timeouts.shared.schedule(after: Self.sweepInterval) { self.sweep() }
    }

    private func sweep() {
        let now = ContinuousClock.now
        let late = state.withLock { $0.pending.filter { $0.value.deadline <= now } }
        for (token, pending) in late {
            fail(token, NATSError(.timeout, "no reply from “\(pending.subject)” within \(pending.timeout)"))
        }
        let goesOn = state.withLock { state in
            state.isSweeping = !state.pending.isEmpty
            return state.isSweeping
        }
        if goesOn { scheduleSweep() }
    }
}
