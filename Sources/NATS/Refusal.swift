import Encodings

/// What JetStream says where it refuses.
struct Refusal {
    private var code = 0
    private var errorCode = 0
    private var description = "no reason given"

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

    func error(_ subject: String) -> NATSError {
        NATSError(.api(code: code, errorCode: errorCode), "JetStream refuses “\(subject)”: \(description)")
    }
}

extension NATSMessage {
    /// Reads an answer of JetStream, field by field. A refusal comes before all else: a refused publish looks like an
    /// acknowledgement too.
    ///
    /// - Throws: `api` where JetStream refuses, `protocolViolation` where it makes no sense.
    func readAnswer(
        _ subject: String, _ field: (String, inout JSONScanner) throws(JSONScanner.Malformed) -> Void
    ) throws(NATSError) {
        var refusal: Refusal?
        do throws(JSONScanner.Malformed) {
            try JSONScanner.object(payload) { name, scanner throws(JSONScanner.Malformed) in
                if name == "error" { refusal = try Refusal(&scanner) } else { try field(name, &scanner) }
            }
        } catch {
            throw NATSError(.protocolViolation, "the answer to “\(subject)” is not what JetStream gives")
        }
        if let refusal { throw refusal.error(subject) }
    }
}
