import Encodings
package import FoundationEssentials

/// The times that servers write.
package enum ServerTime {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Sat, 31 Jan 2026 23:59:59 GMT`, of HTTP headers.
    package static func http(_ text: String?) -> Date? {
        guard let parts = text?.utf8.split(separator: UInt8(ascii: " ")).map(Substring.init), parts.count == 6,
            parts[5] == "GMT",
            let month = months.firstIndex(of: String(parts[2])), let day = Int(parts[1]), (1...31).contains(day)
        else { return nil }
        let number = (month < 9 ? "0" : "") + String(month + 1)
        return iso("\(parts[3])-\(number)-\(day < 10 ? "0" : "")\(day)T\(parts[4])Z")
    }

    /// `2026-01-31T23:59:59.000Z`, of documents.
    package static func iso(_ text: String?) -> Date? {
        text.flatMap { RFC3339.parse($0) }
    }
}
