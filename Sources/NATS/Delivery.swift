import FoundationEssentials

/// A consumer's delivery, whose reply subject tells where it comes from:
/// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, with domain and account
/// before the stream, and a token at the end, from newer servers.
struct Delivery {
    let stored: StoredMessage
    /// When it was stored, since 1970.
    let nanoseconds: Int64
    let pending: UInt64
    /// Counts the consumer's deliveries from one: a jump is a loss.
    let consumerSequence: UInt64
    /// How many times the message has been delivered, this one included.
    let deliveries: Int

    init?(_ message: NATSMessage) {
        let tokens = (message.reply ?? "").split(separator: ".")
        let offset = tokens.count >= 11 ? 2 : 0
        guard tokens.count >= 9, tokens[1] == "ACK", let sequence = UInt64(tokens[5 + offset]),
            let deliveries = Int(tokens[4 + offset]),
            let consumerSequence = UInt64(tokens[6 + offset]), let nanoseconds = Int64(tokens[7 + offset]),
            let pending = UInt64(tokens[8 + offset])
        else { return nil }
        self.nanoseconds = nanoseconds
        self.pending = pending
        self.consumerSequence = consumerSequence
        self.deliveries = deliveries
        stored = StoredMessage(
            message, subject: message.subject, sequence: sequence,
            time: Date(timeIntervalSince1970: Double(nanoseconds) / 1e9))
    }
}
