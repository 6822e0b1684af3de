package import FoundationEssentials

/// Times as HTTP's headers write them.
///
/// See <https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7>.
package enum HTTPDate {
    private static let months: [StaticString] = [
        "Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ", "Dec ",
    ]

    /// Of `Sat, 31 Jan 2026 23:59:59 GMT`, whatever the day of the week says; nil for anything else.
    package static func parse(_ text: String) -> Date? {
        var scanner = TimeScanner(text)
        guard scanner.skip(5), let day = scanner.number(2), scanner.take(" "),
            let month = months.firstIndex(where: { scanner.take($0) }), let year = scanner.number(4),
            scanner.take(" "), let time = scanner.time(), scanner.take(" GMT"), scanner.isAtEnd,
            let days = RFC3339.days(year, Int64(month + 1), day)
        else { return nil }
        return Date(timeIntervalSince1970: Double(days * 86_400 + time))
    }
}
