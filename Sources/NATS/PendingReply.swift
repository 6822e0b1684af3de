import Synchronization

/// A reply on its way: the request went out already, and others may follow it before this one is awaited.
public final class PendingReply: Sendable {
    typealias Outcome = Result<NATSMessage, NATSError>

    private struct State {
        var outcome: Outcome?
        var waiter: UnsafeContinuation<Outcome, Never>?
        var withdraw: (@Sendable () -> Void)?
    }

    private let subject: String
    private let state = Mutex(State())

    init(_ subject: String) {
        self.subject = subject
    }

    /// Whether there is an outcome.
    var isComplete: Bool { state.withLock { $0.outcome != nil } }

    /// What ends the request at the connection when nobody waits any more.
    func onWithdrawal(_ withdraw: @escaping @Sendable () -> Void) {
        state.withLock { $0.withdraw = withdraw }
    }

    /// The first outcome counts.
    func complete(_ outcome: Outcome) {
        let waiter = state.withLock { state -> UnsafeContinuation<Outcome, Never>? in
            guard state.outcome == nil else { return nil }
            state.outcome = outcome
            state.withdraw = nil
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
        state.withLock { $0.withdraw }?()
        complete(.failure(NATSError(.cancelled, "the request to “\(subject)” was cancelled")))
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
        let token = try requests.start(subject: subject, timeout: timeout) { pending.complete($0) }.get()
        pending.onWithdrawal { requests.resume(token, .failure(NATSError(.cancelled, "withdrawn"))) }
        write(message, token)
    }
}

extension JetStream {
    /// A message to publish.
    public struct Publication: Sendable {
        public var subject: String
        public var headers: NATSHeaders
        public var payload: [UInt8]

        /// A message of these parts.
        public init(_ subject: String, headers: NATSHeaders = [:], payload: [UInt8]) {
            self.subject = subject
            self.headers = headers
            self.payload = payload
        }
    }

    /// Publishes `first`, and `second` the moment the first is stored: sooner than a caller could who waits for one
    /// acknowledgement after the other.
    ///
    /// - Returns: what became of `second`.
    /// - Throws: what became of `first`; then nothing of `second` was sent.
    public func publish(
        _ first: Publication, then second: Publication
    ) async throws(NATSError) -> Result<PublishAck, NATSError> {
        let (stored, pending) = (PendingReply(first.subject), PendingReply(second.subject))
        let (connection, timeout) = (connection, timeout)
        let token = try connection.events.requests.start(subject: first.subject, timeout: timeout) { outcome in
            stored.complete(outcome)
            do throws(NATSError) {
                _ = try PublishAck(try outcome.get(), of: first.subject)
                // Whoever gave up before this must not find the second stored later.
                guard !pending.isComplete else { return }
                try connection.send(
                    second.subject, headers: second.headers, payload: second.payload, timeout: timeout, to: pending)
            } catch {
                pending.complete(.failure(error))
            }
        }.get()
        do throws(NATSError) {
            let message = try Outgoing(first.subject, first.headers, first.payload, nil, connection.maxPayload)
            connection.write(message, token)
        } catch {
            connection.events.requests.resume(token, .failure(error))
        }
        let outcome = await withTaskCancellationHandler {
            await pending.settled()
        } onCancel: {
            pending.withdraw()
        }
        // Not cancelled with the caller, who may remove what was stored and must not be too early for that.
        let outcomeOfFirst = await Task { await stored.settled() }.value
        _ = try PublishAck(try outcomeOfFirst.get(), of: first.subject)
        do throws(NATSError) {
            return .success(try PublishAck(try outcome.get(), of: second.subject))
        } catch {
            return .failure(error)
        }
    }
}
