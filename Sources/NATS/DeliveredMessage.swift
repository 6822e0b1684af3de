import Waiting

/// A message that a durable consumer delivered, to be acknowledged once it is dealt with.
public struct DeliveredMessage: Sendable {
    /// What was stored in the stream.
    public let message: StoredMessage
    /// How many times it has been delivered, this one included.
    public let deliveries: Int
    /// When it was stored, in nanoseconds since 1970 by the server's clock: the same at each delivery. A stream that is
    /// made anew counts its messages from 1 again, this tells them apart.
    public let nanoseconds: Int64
    private let reply: String
    private let connection: NATSConnection

    init?(_ message: NATSMessage, _ connection: NATSConnection) {
        guard let reply = message.reply, let delivery = Delivery(message) else { return nil }
        self.message = delivery.stored
        deliveries = delivery.deliveries
        nanoseconds = delivery.nanoseconds
        self.reply = reply
        self.connection = connection
    }

    /// It is dealt with: it does not come again. That the server hears of it is not awaited; where it does not, the
    /// message comes again.
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
