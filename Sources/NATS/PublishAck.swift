import Encodings

/// That a message is stored.
public struct PublishAck: Sendable, Hashable {
    /// The message's place in the stream.
    public var sequence: UInt64
    /// Whether a message of the same id was stored before; `sequence` is that one's then.
    public var duplicate: Bool

    /// An acknowledgement of these parts.
    public init(sequence: UInt64, duplicate: Bool = false) {
        self.sequence = sequence
        self.duplicate = duplicate
    }

    /// What the server says of a message that was published to `subject`.
    ///
    /// - Throws: `noResponders` where no stream takes the subject, `api` where the stream refuses.
    init(_ reply: NATSMessage, of subject: String) throws(NATSError) {
        if reply.status == 503 { throw NATSError(.noResponders, "no stream takes “\(subject)”") }
        self.init(sequence: 0)
        try reply.readAnswer(subject) { name, scanner throws(JSONScanner.Malformed) in
            switch name {
            case "seq": sequence = try scanner.unsigned()
            case "duplicate": duplicate = try scanner.boolean()
            default: try scanner.skip()
            }
        }
        guard sequence > 0 else {
            throw NATSError(.protocolViolation, "the answer to “\(subject)” is not what JetStream gives")
        }
    }
}
