extension JetStream {
    private enum Header {
        static let id = "Nats-Msg-Id"
        static let lastID = "Nats-Expected-Last-Msg-Id"
    }

    /// Publishes both at once, in one round trip: the server stores `second` only where the stream's last message is
    /// `first`. Where `first` was refused, or another message came in between, `second` is refused
    /// (``NATSError/isOutOfPlace``).
    ///
    /// Not given up with the caller: what is sent is waited for.
    ///
    /// - Parameter id: what `first` is known by, and nothing else. The server keeps it as long as the stream tells
    ///   duplicates.
    /// - Returns: what became of each.
    public func publish(
        _ first: Publication, id: String, withBehind second: Publication
    ) async -> (first: Result<PublishAck, NATSError>, second: Result<PublishAck, NATSError>) {
        var (first, second) = (first, second)
        first.headers.set(Header.id, id)
        second.headers.set(Header.lastID, id)
        let replies = (PendingReply(first.subject), PendingReply(second.subject))
        connection.sendInOrder {
            send(first, to: replies.0)
            send(second, to: replies.1)
        }
        // The second's comes later: to wait for it first is to be woken once.
        let outcome = await replies.1.settled()
        return (await replies.0.settled().ack(of: first.subject), outcome.ack(of: second.subject))
    }

    /// Sends a message whose outcome, if only that it could not be sent, completes `reply`.
    func send(_ message: Publication, to reply: PendingReply) {
        do throws(NATSError) {
            try connection.send(
                message.subject, headers: message.headers, payload: message.payload, timeout: timeout, to: reply)
        } catch {
            reply.complete(.failure(error))
        }
    }
}

extension Result<NATSMessage, NATSError> {
    /// What a reply says of a message that was published to `subject`.
    func ack(of subject: String) -> Result<PublishAck, NATSError> {
        flatMap { reply in
            Result<PublishAck, NATSError> { () throws(NATSError) in try PublishAck(reply, of: subject) }
        }
    }
}

extension NATSError {
    /// Whether a message was refused because the one before it in the stream is not the one that it was to follow.
    public var isOutOfPlace: Bool {
        if case .api(_, JetStreamErrorCode.wrongLastMessageID) = code { true } else { false }
    }

    /// Whether what was sent may have come and been taken, or may be yet.
    public var isUndecided: Bool {
        switch code {
        case .timeout, .disconnected, .connectionClosed: true
        default: false
        }
    }
}
