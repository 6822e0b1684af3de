import Synchronization

/// A reply on its way: the request went out already, and others may follow it before this one is awaited.
public final class PendingReply: Sendable {
    typealias Outcome = Result<NATSMessage, NATSError>

    private struct State {
        var outcome: Outcome?
        var waiter: UnsafeContinuation<Outcome, Never>?
        /// Where the request waits, until there is an outcome.
        var registration: (requests: PendingRequests, token: UInt64)?
    }

    private let subject: String
    private let state = Mutex(State())

    init(_ subject: String) {
        self.subject = subject
    }

    /// Whether there is an outcome.
    var isComplete: Bool { state.withLock { $0.outcome != nil } }

    /// Where to end the request when nobody waits any more.
    func register(_ requests: PendingRequests, _ token: UInt64) {
        state.withLock { if $0.outcome == nil { $0.registration = (requests, token) } }
    }

    /// The first outcome counts.
    func complete(_ outcome: Outcome) {
        let waiter = state.withLock { state -> UnsafeContinuation<Outcome, Never>? in
            guard state.outcome == nil else { return nil }
            state.outcome = outcome
            state.registration = nil
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: outcome)
    }

    /// Waits for the reply; for one caller.
    ///
    /// - Throws: `timeout`, `permission`, `connectionClosed`, `cancelled` with the calling task.
    public func value() async throws(NATSError) -> NATSMessage {
        let outcome = await withTaskCancellationHandler {
            await settled()
        } onCancel: {
            withdraw()
        }
        return try outcome.get()
    }

    /// Waits for the outcome, cancelled or not.
    func settled() async -> Outcome {
        await withUnsafeContinuation { continuation in
            let outcome = state.withLock { state -> Outcome? in
                if state.outcome == nil { state.waiter = continuation }
                return state.outcome
            }
            if let outcome { continuation.resume(returning: outcome) }
        }
    }

    /// Ends it, where there is no outcome yet: whatever comes is dropped.
    public func withdraw() {
        let error = NATSError(.cancelled, "the request to “\(subject)” was cancelled")
        if let (requests, token) = state.withLock({ $0.registration }) { requests.fail(token, error) }
        complete(.failure(error))
    }
}

extension NATSConnection {
    /// Sends a request and returns at once. A status message is a reply like any other.
    ///
    /// - Throws: `invalidArgument`, `maxPayload`, `connectionClosed`, `slowConsumer` where too many wait.
    public func start(
        _ subject: String, headers: NATSHeaders = [:], payload: [UInt8] = [], timeout: Duration = .seconds(5)
    ) throws(NATSError) -> PendingReply {
        let pending = PendingReply(subject)
        try send(subject, headers: headers, payload: payload, timeout: timeout, to: pending)
        return pending
    }

    /// Sends a request whose outcome completes `pending`.
    func send(
        _ subject: String, headers: NATSHeaders, payload: [UInt8], timeout: Duration, to pending: PendingReply
    ) throws(NATSError) {
        let message = try Outgoing(subject, headers, payload, nil, maxPayload)
        let requests = events.requests
        let token = try requests.start(subject: subject, timeout: timeout) { pending.complete($0) }
        pending.register(requests, token)
        write(message, token)
    }
}
