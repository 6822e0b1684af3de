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
