import Encodings
package import FoundationEssentials

/// The times that servers write.
package enum ServerTime {
    /// `Sat, 31 Jan 2026 23:59:59 GMT`, of HTTP headers.
    package static func http(_ text: String?) -> Date? { text.flatMap { HTTPDate.parse($0) } }

    /// `2026-01-31T23:59:59.000Z`, of documents.
    package static func iso(_ text: String?) -> Date? {
        text.flatMap { RFC3339.parse($0) }
    }
}
