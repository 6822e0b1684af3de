import FoundationEssentials

extension StoredMessage {
    /// From a direct get's answer, whose headers tell what is stored.
    init(direct reply: NATSMessage) throws(NATSError) {
        guard let subject = reply.headers.first("Nats-Subject"),
            let sequence = reply.headers.first("Nats-Sequence").flatMap({ UInt64($0) }),
            let time = reply.headers.first("Nats-Time-Stamp").flatMap(Self.parseTime)
        else { throw NATSError(.protocolViolation, "a direct get's answer lacks subject, sequence or time") }
        self.init(
            subject: subject, sequence: sequence, time: time, headers: reply.headers, payload: reply.payload)
    }

    /// From the leader's answer, which is JSON with the bytes in base64.
    init(_ message: MessageAnswer.Message) throws(NATSError) {
        guard let time = Self.parseTime(message.time),
            let payload = Data(base64Encoded: message.data ?? ""),
            let headers = Data(base64Encoded: message.hdrs ?? "")
        else { throw NATSError(.protocolViolation, "a stored message of “\(message.subject)” can't be decoded") }
        self.init(
            subject: message.subject, sequence: message.seq, time: time,
            headers: headers.withUnsafeBytes { HeaderBlock($0)?.headers } ?? [:], payload: Array(payload))
    }

    static func parseTime(_ text: String) -> Date? {
        try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text)
    }
}
