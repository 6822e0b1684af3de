import Encodings
public import FoundationEssentials

/// A message as a stream holds it.
public struct StoredMessage: Sendable {
    private let message: NATSMessage
    /// The subject under which it is stored.
    public let subject: String
    /// Its place in the stream.
    public let sequence: UInt64
    /// When it was stored, by the server's clock.
    public let time: Date

    init(_ message: NATSMessage, subject: String, sequence: UInt64, time: Date) {
        self.message = message
        self.subject = subject
        self.sequence = sequence
        self.time = time
    }

    /// Its headers, read anew at each call, with those that a direct get adds.
    public var headers: NATSHeaders { message.headers }

    /// The stream whose copy of it a direct get was answered with, which may be a mirror; nil elsewhere.
    public var answeringStream: String? { message.firstHeader("Nats-Stream") }

    /// Its bytes.
    public var payload: [UInt8] { message.payload }
}

extension StoredMessage {
    /// From a direct get's answer, whose headers tell what is stored.
    init(direct reply: NATSMessage) throws(NATSError) {
        guard let subject = reply.firstHeader("Nats-Subject"),
            let sequence = reply.firstHeader("Nats-Sequence").flatMap({ UInt64($0) }),
            let time = reply.firstHeader("Nats-Time-Stamp").flatMap(RFC3339.parse)
        else { throw NATSError(.protocolViolation, "a direct get's answer lacks subject, sequence or time") }
        self.init(reply, subject: subject, sequence: sequence, time: time)
    }

    /// From the leader's answer, which is JSON with the bytes in base64.
    init(_ message: MessageAnswer.Message) throws(NATSError) {
        guard let time = RFC3339.parse(message.time),
            let payload = Data(base64Encoded: message.data ?? ""),
            let headers = Data(base64Encoded: message.hdrs ?? "")
        else { throw NATSError(.protocolViolation, "a stored message of “\(message.subject)” can't be decoded") }
        let parts = NATSMessage(
            subject: message.subject, headers: headers.withUnsafeBytes { HeaderBlock($0).headers },
            payload: Array(payload))
        self.init(parts, subject: message.subject, sequence: message.seq, time: time)
    }
}
