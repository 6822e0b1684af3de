import Logging
import Storage
import StorageWire

/// The trace that a request belongs to: W3C Trace Context's `traceparent`.
struct TraceContext: Sendable, Hashable {
    let traceID: String
    let spanID: String

    /// - Parameter header: `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`; of a later version, more may follow.
    init?(_ header: String) {
        let parts = header.split(separator: "-", maxSplits: 4, omittingEmptySubsequences: false)
        guard header.utf8.count <= 512, parts.count >= 4, parts[0].isHex(2), parts[0] != "ff",
            parts[0] != "00" || parts.count == 4, parts[1].isHex(32), parts[2].isHex(16), parts[3].isHex(2),
            parts[1].contains(where: { $0 != "0" }), parts[2].contains(where: { $0 != "0" })
        else { return nil }
        (traceID, spanID) = (String(parts[1]), String(parts[2]))
    }
}

extension Substring {
    fileprivate func isHex(_ count: Int) -> Bool {
        utf8.count == count
            && utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}

extension Logger {
    /// Says that an operation failed, and aloud where a person has to look.
    func failed(_ operation: String, _ error: StorageError, _ request: Request) {
        let level: Logger.Level = error.errorClass == .fatal ? .error : .debug
        log(level: level, "\(operation): \(error)", metadata: request.logMetadata)
    }
}

extension Request {
    /// What logs say of the request beside their message: its trace, where it has one.
    var logMetadata: Logger.Metadata {
        guard let trace = headers.first(WireHeader.traceParent).flatMap({ TraceContext($0) }) else { return [:] }
        return ["trace_id": "\(trace.traceID)", "span_id": "\(trace.spanID)"]
    }
}
