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
        var scanner = Scanner(bytes: Array(text.utf8))
        guard let year = scanner.number(4), scanner.take("-"), let month = scanner.number(2), scanner.take("-"),
            let day = scanner.number(2), scanner.take("T") || scanner.take("t") || scanner.take(" "),
            let hour = scanner.number(2), scanner.take(":"), let minute = scanner.number(2), scanner.take(":"),
            let second = scanner.number(2), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60,
            second <= 60, let fraction = scanner.fraction(), let offset = scanner.offset(), scanner.isAtEnd
        else { return nil }
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
        return Date(timeIntervalSince1970: Double(seconds) + fraction)
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

    /// Days since 1970 of a date of the Gregorian calendar; the year begins in March here, so that a leap day ends it.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
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

    private struct Scanner {
        let bytes: [UInt8]
        var position = 0

        var isAtEnd: Bool { position == bytes.count }

        mutating func take(_ mark: Unicode.Scalar) -> Bool {
            guard position < bytes.count, bytes[position] == UInt8(ascii: mark) else { return false }
            position += 1
            return true
        }

        mutating func digit() -> Int64? {
            guard position < bytes.count, case UInt8(ascii: "0")...UInt8(ascii: "9") = bytes[position] else {
                return nil
            }
            defer { position += 1 }
            return Int64(bytes[position] - UInt8(ascii: "0"))
        }

        mutating func number(_ width: Int) -> Int64? {
            var number: Int64 = 0
            for _ in 0..<width {
                guard let digit = digit() else { return nil }
                number = number * 10 + digit
            }
            return number
        }

        /// The part behind a point, or zero.
        mutating func fraction() -> Double? {
            guard take(".") else { return 0 }
            var (fraction, scale, count) = (0.0, 0.1, 0)
            while let digit = digit() {
                fraction += Double(digit) * scale
                scale /= 10
                count += 1
            }
            return count > 0 ? fraction : nil
        }

        /// In seconds east of Greenwich.
        mutating func offset() -> Int64? {
            if take("Z") || take("z") { return 0 }
            let sign: Int64 = take("+") ? 1 : take("-") ? -1 : 0
            guard sign != 0, let hours = number(2), take(":"), let minutes = number(2), hours < 24, minutes < 60 else {
                return nil
            }
            return sign * (hours * 3600 + minutes * 60)
        }
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
