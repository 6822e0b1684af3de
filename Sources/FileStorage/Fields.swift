/// Appends fields: integers as they lie in memory on little-endian machines, texts with their length before them.
struct FieldWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ text: String) {
        append(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// An absent text has a length that no text can have.
    mutating func append(_ text: String?) {
        if let text { append(text) } else { append(UInt32.max) }
    }

    mutating func append(raw: [UInt8]) {
        bytes += raw
    }
}

/// Reads them back; nil where the bytes end early or are no text.
struct FieldReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    mutating func integer<Value: FixedWidthInteger>(_: Value.Type) -> Value? {
        raw(MemoryLayout<Value>.size).map { bytes in
            bytes.reversed().reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
        }
    }

    mutating func raw(_ count: Int) -> ArraySlice<UInt8>? {
        guard rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    mutating func text() -> String? { optionalText()?.value }

    /// Nil outside where there is none to read, inside where the text is absent.
    mutating func optionalText() -> (value: String?, Void)? {
        guard let count = integer(UInt32.self) else { return nil }
        if count == UInt32.max { return (nil, ()) }
        return raw(Int(count)).flatMap { String(validating: $0, as: UTF8.self) }.map { ($0, ()) }
    }
}

extension [UInt8] {
    /// FNV-1a of 64 bits: against damage, not against intent.
    var checksum: UInt64 {
        reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
