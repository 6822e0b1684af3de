/// Reads JSON of a known shape, field by field, without building a tree: many times faster than a decoder, which
/// counts where one document comes with every message.
///
/// Takes any bytes: what is not JSON throws, and so do objects and arrays that are read at a depth over 64, or passed
/// over at one over 512.
package struct JSONScanner {
    /// The bytes are not the JSON that was asked for.
    package struct Malformed: Error {
        package init() {}
    }

    private static let maximumDepth = 64
    private static let maximumSkippedDepth = 512

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var depth = 0

    private init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// Reads `bytes`, which must hold one object and nothing else; `field` reads or skips each value.
    package static func object(
        _ bytes: [UInt8], _ field: (String, inout JSONScanner) throws(Malformed) -> Void
    ) throws(Malformed) {
        let outcome = bytes.withUnsafeBytes { buffer -> Result<Void, Malformed> in
            do throws(Malformed) {
                var scanner = JSONScanner(buffer)
                try scanner.object(field)
                guard scanner.peek() == nil else { throw Malformed() }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try outcome.get()
    }

    /// Reads an object; `field` reads or skips each value.
    package mutating func object(_ field: (String, inout JSONScanner) throws(Malformed) -> Void) throws(Malformed) {
        try enter(UInt8(ascii: "{"))
        guard !take(UInt8(ascii: "}")) else { return depth -= 1 }
        repeat {
            let name = try string()
            try expect(UInt8(ascii: ":"))
            try field(name, &self)
        } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"))
        depth -= 1
    }

    /// Reads an array; `element` reads or skips each.
    package mutating func array(_ element: (inout JSONScanner) throws(Malformed) -> Void) throws(Malformed) {
        try enter(UInt8(ascii: "["))
        guard !take(UInt8(ascii: "]")) else { return depth -= 1 }
        repeat { try element(&self) } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
        depth -= 1
    }

    /// Reads a string.
    package mutating func string() throws(Malformed) -> String {
        try expect(UInt8(ascii: "\""))
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return try Self.text(bytes[start..<position - 1])
            case UInt8(ascii: "\\"):
                return try escapedString(from: start)
            case 0..<0x20:
                throw Malformed()
            default:
                position += 1
            }
        }
        throw Malformed()
    }

    /// Reads a whole number.
    package mutating func integer() throws(Malformed) -> Int {
        guard let value = Int(try number()) else { throw Malformed() }
        return value
    }

    /// Reads a whole number that is not negative.
    package mutating func unsigned() throws(Malformed) -> UInt64 {
        guard let value = UInt64(try number()) else { throw Malformed() }
        return value
    }

    /// Reads `true` or `false`.
    package mutating func boolean() throws(Malformed) -> Bool {
        if takeWord("true") { return true }
        if takeWord("false") { return false }
        throw Malformed()
    }

    /// Reads what `value` reads, or null.
    package mutating func optional<Value>(
        _ value: (inout JSONScanner) throws(Malformed) -> Value
    ) throws(Malformed) -> Value? {
        takeWord("null") ? nil : try value(&self)
    }

    /// Reads any value as it stands, in valid UTF-8.
    package mutating func raw() throws(Malformed) -> [UInt8] {
        _ = peek()
        let start = position
        try skip()
        let slice = bytes[start..<position]
        _ = try Self.text(slice)
        return Array(slice)
    }

    /// Whether `bytes` are one JSON value in UTF-8 and nothing else.
    package static func isJSON(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var scanner = JSONScanner(buffer)
            return (try? scanner.raw()) != nil && scanner.peek() == nil
        }
    }

    /// Passes over any value.
    package mutating func skip() throws(Malformed) {
        // What has to close yet: no recursion, so that depth costs no stack.
        var closers: [UInt8] = []
        repeat {
            guard try skipBeginning(&closers) else { continue }
            try skipEnds(&closers)
        } while !closers.isEmpty
    }

    /// Passes over a scalar, or an empty object or array; false: it entered one that has a first value.
    private mutating func skipBeginning(_ closers: inout [UInt8]) throws(Malformed) -> Bool {
        switch peek() {
        case UInt8(ascii: "{"): return try !skipOpening(UInt8(ascii: "}"), &closers)
        case UInt8(ascii: "["): return try !skipOpening(UInt8(ascii: "]"), &closers)
        case UInt8(ascii: "\""): try skipString()
        case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try boolean()
        case UInt8(ascii: "n"): guard takeWord("null") else { throw Malformed() }
        default: try skipNumber()
        }
        return true
    }

    /// Enters an object or array up to its first value; false: there is none.
    private mutating func skipOpening(_ closer: UInt8, _ closers: inout [UInt8]) throws(Malformed) -> Bool {
        guard depth + closers.count < Self.maximumSkippedDepth else { throw Malformed() }
        position += 1
        guard !take(closer) else { return false }
        closers.append(closer)
        if closer == UInt8(ascii: "}") { try skipName() }
        return true
    }

    /// After a value: up to the next one, or through everything that ends there.
    private mutating func skipEnds(_ closers: inout [UInt8]) throws(Malformed) {
        while let closer = closers.last {
            if take(UInt8(ascii: ",")) {
                if closer == UInt8(ascii: "}") { try skipName() }
                return
            }
            try expect(closer)
            closers.removeLast()
        }
    }

    private mutating func skipName() throws(Malformed) {
        guard peek() == UInt8(ascii: "\"") else { throw Malformed() }
        try skipString()
        try expect(UInt8(ascii: ":"))
    }

    /// Passes over a number as the grammar has it: no plus, no zeros before it, digits on both sides of a point.
    private mutating func skipNumber() throws(Malformed) {
        _ = takeNow("-")
        if !takeNow("0") { try skipDigits() }
        if takeNow(".") { try skipDigits() }
        guard takeNow("e") || takeNow("E") else { return }
        if !takeNow("+") { _ = takeNow("-") }
        try skipDigits()
    }

    private mutating func skipDigits() throws(Malformed) {
        let start = position
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            position += 1
        }
        guard position > start else { throw Malformed() }
    }

    /// Takes a byte that stands right here.
    private mutating func takeNow(_ character: UnicodeScalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func skipString() throws(Malformed) {
        let start = position
        position += 1
        while position < bytes.count, bytes[position] >= 0x20, bytes[position] != UInt8(ascii: "\\") {
            position += 1
            if bytes[position - 1] == UInt8(ascii: "\"") { return }
        }
        // Escapes are checked as in any other.
        position = start
        _ = try string()
    }

    private mutating func enter(_ byte: UInt8) throws(Malformed) {
        try expect(byte)
        depth += 1
        guard depth <= Self.maximumDepth else { throw Malformed() }
    }

    private mutating func number() throws(Malformed) -> Substring {
        _ = peek()
        let start = position
        while position < bytes.count, Self.isNumeral(bytes[position]) { position += 1 }
        return try Self.text(bytes[start..<position])[...]
    }

    private static func isNumeral(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    private mutating func escapedString(from start: Int) throws(Malformed) -> String {
        var text = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") { return try Self.validated(text) }
            if byte != UInt8(ascii: "\\") {
                guard byte >= 0x20 else { throw Malformed() }
                text.append(byte)
            } else {
                text += try escape().utf8
            }
        }
        throw Malformed()
    }

    private mutating func escape() throws(Malformed) -> String {
        guard position < bytes.count else { throw Malformed() }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return String(UnicodeScalar(byte))
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw Malformed()
        }
    }

    private mutating func unicodeEscape() throws(Malformed) -> String {
        var units = [try hexadecimal()]
        if UTF16.isLeadSurrogate(units[0]), position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        {
            position += 2
            units.append(try hexadecimal())
        }
        guard let text = String(validating: units, as: UTF16.self) else { throw Malformed() }
        return text
    }

    private mutating func hexadecimal() throws(Malformed) -> UInt16 {
        guard position + 4 <= bytes.count else { throw Malformed() }
        defer { position += 4 }
        var value: UInt16 = 0
        for byte in bytes[position..<position + 4] {
            guard let digit = Hexadecimal.value(byte) else { throw Malformed() }
            value = value << 4 | UInt16(digit)
        }
        return value
    }

    private static func text(_ slice: Slice<UnsafeRawBufferPointer>) throws(Malformed) -> String {
        try validated(UnsafeRawBufferPointer(rebasing: slice))
    }

    private static func validated(_ bytes: some Collection<UInt8>) throws(Malformed) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Malformed() }
        return text
    }

    /// The next byte that is no white space.
    private mutating func peek() -> UInt8? {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0a, 0x0d: position += 1
            default: return bytes[position]
            }
        }
        return nil
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    private mutating func takeWord(_ word: StaticString) -> Bool {
        _ = peek()
        let length = word.utf8CodeUnitCount
        guard position + length <= bytes.count else { return false }
        for index in 0..<length where bytes[position + index] != word.utf8Start[index] { return false }
        position += length
        return true
    }

    private mutating func expect(_ byte: UInt8) throws(Malformed) {
        guard take(byte) else { throw Malformed() }
    }
}
