import FoundationEssentials

/// A moment as signatures write it.
struct SigningTime: Sendable, Hashable {
    /// `20260131`
    let day: String
    /// `20260131T235959Z`
    let stamp: String

    init(_ date: Date) {
        // 2026-01-31T23:59:59Z
        let text = date.formatted(Date.ISO8601FormatStyle()).filter { $0 != "-" && $0 != ":" }
        stamp = text
        day = String(text.prefix(8))
    }
}

/// The times that S3 writes.
enum ServerTime {
    /// `Sat, 31 Jan 2026 23:59:59 GMT`, of HTTP headers.
    static func http(_ text: String?) -> Date? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard let parts = text?.split(separator: " "), parts.count == 6, parts[5] == "GMT",
            let month = months.firstIndex(of: String(parts[2])), let day = Int(parts[1]), (1...31).contains(day)
        else { return nil }
        let number = (month < 9 ? "0" : "") + String(month + 1)
        return iso("\(parts[3])-\(number)-\(day < 10 ? "0" : "")\(day)T\(parts[4])Z")
    }

    /// `2026-01-31T23:59:59.000Z`, of documents.
    static func iso(_ text: String?) -> Date? {
        guard let text else { return nil }
        return (try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text))
            ?? (try? Date.ISO8601FormatStyle().parse(text))
    }
}
