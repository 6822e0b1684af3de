import Encodings
import FoundationEssentials

/// A moment as signatures write it.
struct SigningTime: Sendable, Hashable {
    /// `20260131`
    let day: String
    /// `20260131T235959Z`
    let stamp: String

    init(_ date: Date) {
        // 2026-01-31T23:59:59.000Z
        let digits = RFC3339.format(date).utf8.prefix(19).filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ":") }
        let text = String(decoding: digits, as: UTF8.self)
        stamp = text + "Z"
        day = String(text.prefix(8))
    }
}
