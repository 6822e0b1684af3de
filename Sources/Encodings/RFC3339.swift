package import FoundationEssentials

/// Times as RFC 3339 writes them, in UTC.
package enum RFC3339 {
    /// With milliseconds; times outside of the years 1…9999 become their first or last.
    package static func format(_ time: Date) -> String {
        let milliseconds = Int64(
            (time.timeIntervalSince1970 * 1000).rounded().clamped(to: -62_135_596_800_000...253_402_300_799_999))
        let (days, rest) = milliseconds.flooredQuotient(by: 86_400_000)
        let (year, month, day) = date(ofDay: days)
        return String(unsafeUninitializedCapacity: 24) { text in
            var end = 0
            write(year, 4, to: text, at: &end, then: "-")
            write(month, 2, to: text, at: &end, then: "-")
            write(day, 2, to: text, at: &end, then: "T")
            write(rest / 3_600_000, 2, to: text, at: &end, then: ":")
            write(rest / 60_000 % 60, 2, to: text, at: &end, then: ":")
            write(rest / 1000 % 60, 2, to: text, at: &end, then: ".")
            write(rest % 1000, 3, to: text, at: &end, then: "Z")
            return end
        }
    }

    /// Nil where `text` is no date and time; any offset and any fraction of a second are understood.
    package static func parse(_ text: String) -> Date? {
        var scanner = TimeScanner(text)
        guard let year = scanner.number(4), scanner.take("-"), let month = scanner.number(2), scanner.take("-"),
            let day = scanner.number(2), scanner.take("T") || scanner.take("t") || scanner.take(" "),
            let time = scanner.time(), let fraction = scanner.fraction(), let offset = scanner.offset(),
            scanner.isAtEnd, let days = days(year, month, day)
        else { return nil }
        return Date(timeIntervalSince1970: Double(days * 86_400 + time - offset) + fraction)
    }

    /// Writes a number that has at most `width` digits, and a mark behind it.
    private static func write(
        _ number: Int64, _ width: Int, to text: UnsafeMutableBufferPointer<UInt8>, at end: inout Int,
        then mark: Unicode.Scalar
    ) {
        var rest = number
        for place in (end..<end + width).reversed() {
            text[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        text[end + width] = UInt8(ascii: mark)
        end += width + 1
    }

    /// Days since 1970 of a date of the Gregorian calendar; nil where it has no such month or day.
    static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64? {
        guard (1...12).contains(month), (1...31).contains(day) else { return nil }
        // The year begins in March here, so that a leap day ends it.
        let year = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = year.flooredQuotient(by: 400)
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func date(ofDay days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (days + 719_468).flooredQuotient(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }
}

extension Int64 {
    fileprivate func flooredQuotient(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let remainder = ((self % divisor) + divisor) % divisor
        return ((self - remainder) / divisor, remainder)
    }
}

extension Double {
    /// NaN becomes the lower bound.
    fileprivate func clamped(to range: ClosedRange<Double>) -> Double {
        self > range.lowerBound ? min(self, range.upperBound) : range.lowerBound
    }
}
