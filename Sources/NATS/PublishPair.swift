import Synchronization

extension JetStream {
    /// A message to publish.
    public struct Publication: Sendable {
        /// Where it goes; it has to belong to a stream.
        public var subject: String
        /// Its headers, what JetStream is asked for among them.
        public var headers: NATSHeaders
        /// Its bytes.
        public var payload: [UInt8]

        /// A message of these parts.
        public init(_ subject: String, headers: NATSHeaders = [:], payload: [UInt8]) {
            self.subject = subject
            self.headers = headers
            self.payload = payload
        }
    }

    /// Publishes `first`, and `second` the moment the first is stored: sooner than a caller could who waits for one
    /// acknowledgement after the other. `second` is made while `first` is on its way.
    ///
    /// Cancelled before, `second` is not sent; afterwards its acknowledgement is waited for all the same.
    ///
    /// - Returns: what became of `second`.
    /// - Throws: what became of `first`; then nothing of `second` was sent.
    public func publish(
        _ first: Publication, then second: () -> Publication
    ) async throws(NATSError) -> Result<PublishAck, NATSError> {
        let pair = PublishPair(self, first.subject)
        try pair.send(first)
        let second = second()
        pair.prepare(second)
        let outcome = await withTaskCancellationHandler {
            await pair.second.settled()
        } onCancel: {
            pair.giveUp()
        }
        // Not given up with the caller, who may remove what was stored and must not be too early for that.
        _ = try await pair.first.settled().ack(of: first.subject).get()
        return outcome.ack(of: second.subject)
    }
}

/// Two publishes, the second of which waits for the first's acknowledgement and for being made.
private final class PublishPair: Sendable {
    private struct State {
        var isFirstStored = false
        var prepared: JetStream.Publication?
        var isGivenUp = false
        var isSent = false

        /// The second message, once there is nothing that it waits for; once.
        mutating func takeReady() -> JetStream.Publication? {
            guard isFirstStored, !isGivenUp, !isSent, let prepared else { return nil }
            isSent = true
            return prepared
        }
    }

    let first: PendingReply
    let second: PendingReply
    private let stream: JetStream
    private let state = Mutex(State())

    init(_ stream: JetStream, _ subject: String) {
        self.stream = stream
        first = PendingReply(subject)
        second = PendingReply(subject)
    }

    func send(_ message: JetStream.Publication) throws(NATSError) {
        let connection = stream.connection
        let outgoing = try Outgoing(message.subject, message.headers, message.payload, nil, connection.maxPayload)
        let token = try connection.events.requests.start(subject: message.subject, timeout: stream.timeout) { outcome in
            self.complete(outcome, of: message.subject)
        }
        connection.write(outgoing, token)
    }

    /// Runs where the acknowledgement comes in.
    private func complete(_ outcome: Result<NATSMessage, NATSError>, of subject: String) {
        first.complete(outcome)
        do throws(NATSError) {
            _ = try PublishAck(try outcome.get(), of: subject)
            let ready = state.withLock { state in
                state.isFirstStored = true
                return state.takeReady()
            }
            if let ready { stream.send(ready, to: second) }
        } catch {
            second.complete(.failure(error))
        }
    }

    func prepare(_ message: JetStream.Publication) {
        let ready = state.withLock { state in
            state.prepared = message
            return state.takeReady()
        }
        if let ready { stream.send(ready, to: second) }
    }

    /// The second is not sent, unless it was.
    func giveUp() {
        let isSent = state.withLock { state in
            state.isGivenUp = true
            return state.isSent
        }
        if !isSent { second.withdraw() }
    }
}
