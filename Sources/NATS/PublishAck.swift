import Encodings

/// That a message is stored.
public struct PublishAck: Sendable, Hashable {
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
        var refusal: Refusal?
        do throws(JSONScanner.Malformed) {
            try JSONScanner.object(reply.payload) { name, scanner throws(JSONScanner.Malformed) in
                switch name {
                case "seq": sequence = try scanner.unsigned()
                case "duplicate": duplicate = try scanner.boolean()
                case "error": refusal = try Refusal(&scanner)
                default: try scanner.skip()
                }
            }
        } catch {
            throw NATSError(.protocolViolation, "the answer to “\(subject)” is not what JetStream gives")
        }
        // First: a refused publish looks like an acknowledgement too.
        if let refusal {
            let code = NATSError.Code.api(code: refusal.code, errorCode: refusal.errorCode)
            throw NATSError(code, "JetStream refuses “\(subject)”: \(refusal.description)")
        }
        guard sequence > 0 else {
            throw NATSError(.protocolViolation, "the answer to “\(subject)” is not what JetStream gives")
        }
    }

    private struct Refusal {
        var code = 0
        var errorCode = 0
        var description = "no reason given"

        init(_ scanner: inout JSONScanner) throws(JSONScanner.Malformed) {
            try scanner.object { name, scanner throws(JSONScanner.Malformed) in
                switch name {
                case "code": code = try scanner.integer()
                case "err_code": errorCode = try scanner.integer()
                case "description": description = try scanner.string()
                default: try scanner.skip()
                }
            }
        }
    }
}
