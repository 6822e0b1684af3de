import FoundationEssentials

/// A message that a durable consumer delivered, to be acknowledged once it is dealt with.
public struct DeliveredMessage: Sendable {
    /// What was stored in the stream.
    public let message: StoredMessage
    private let reply: String
    private let connection: NATSConnection

    init?(_ message: NATSMessage, _ connection: NATSConnection) {
        guard let reply = message.reply, let delivery = Delivery(message) else { return nil }
        self.message = delivery.stored
        self.reply = reply
        self.connection = connection
    }

    /// It is dealt with: it does not come again.
    public func acknowledge() async throws(NATSError) { try await answer("+ACK") }

    /// It could not be dealt with now: it comes again after `delay`.
    public func retry(after delay: Duration) async throws(NATSError) {
        try await answer("-NAK {\"delay\": \(delay.milliseconds * 1_000_000)}")
    }

    /// It can never be dealt with: it does not come again.
    public func terminate() async throws(NATSError) { try await answer("+TERM") }

    /// It takes longer: the acknowledgement's deadline starts anew.
    public func extend() async throws(NATSError) { try await answer("+WPI") }

    private func answer(_ text: String) async throws(NATSError) {
        try await connection.publish(reply, payload: Array(text.utf8))
    }
}

/// Pulls from a durable consumer, a batch at a time; for one reader.
public final class PullConsumer: Sendable {
    private let stream: JetStream
    private let subject: String
    private let subscription: NATSSubscription

    init(_ stream: JetStream, subject: String, subscription: NATSSubscription) {
        self.stream = stream
        self.subject = subject
        self.subscription = subscription
    }

    /// At most `batch` messages; fewer, or none, when no more came within `wait`.
    public func fetch(batch: Int, wait: Duration) async throws(NATSError) -> [DeliveredMessage] {
        let expires = wait.milliseconds * 1_000_000
        try await stream.connection.publish(
            subject, payload: Array("{\"batch\":\(batch),\"expires\":\(expires)}".utf8), reply: subscription.subject)
        var messages: [DeliveredMessage] = []
        while messages.count < batch {
            // The server ends the pull itself; the rest is for one that is away.
            guard let next = try await subscription.next(timeout: wait + .seconds(2)) else { break }
            if next.status == 100 { continue }
            if let status = next.status {
                if status == 404 || status == 408 { break }
                throw NATSError(.status(status), "pulling from “\(subject)”: \(next.statusDescription ?? "refused")")
            }
            if let message = DeliveredMessage(next, stream.connection) { messages.append(message) }
        }
        return messages
    }

    /// Ends the pulling; what was not acknowledged comes again.
    public func stop() async { await subscription.unsubscribe() }
}

extension JetStream {
    /// A durable consumer of `filter`, created where it is missing: every message from the stream's beginning, each
    /// until it is acknowledged.
    public func pullConsumer(
        _ stream: String, durable: String, filter: String?, ackWait: Duration
    ) async throws(NATSError) -> PullConsumer {
        var configuration = ConsumerConfiguration()
        configuration.durableName = durable
        configuration.filterSubject = filter
        configuration.ackWait = ackWait.milliseconds * 1_000_000
        configuration.maxAckPending = 1024
        _ = try await createConsumer(stream, configuration)
        let subscription = try await connection.subscribe(connection.newInbox(), capacity: 4096, overflow: .fail)
        return PullConsumer(
            self, subject: "\(prefix).CONSUMER.MSG.NEXT.\(stream).\(durable)", subscription: subscription)
    }
}
