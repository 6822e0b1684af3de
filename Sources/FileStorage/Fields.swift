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

/// Reads them back where they lie, so that it must not outlive the bytes; nil where those end early or are no text.
struct FieldReader {
    private let bytes: UnsafeRawBufferPointer
    private var place = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    mutating func integer<Value: FixedWidthInteger>(_: Value.Type) -> Value? {
        raw(MemoryLayout<Value>.size).map { Value(littleEndian: $0.loadUnaligned(as: Value.self)) }
    }

    mutating func raw(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count >= 0, bytes.count - place >= count else { return nil }
        defer { place += count }
        return UnsafeRawBufferPointer(rebasing: bytes[place..<place + count])
    }

    mutating func text() -> String? { optionalText()?.value }

    /// Nil outside where there is none to read, inside where the text is absent.
    mutating func optionalText() -> (value: String?, Void)? {
        guard let count = integer(UInt32.self) else { return nil }
        if count == UInt32.max { return (nil, ()) }
        return raw(Int(count)).flatMap { String(validating: $0, as: UTF8.self) }.map { ($0, ()) }
    }
}

extension UnsafeRawBufferPointer {
    /// Against damage, not against intent: as FNV-1a mixes, but eight bytes at a time.
    var checksum: UInt64 {
        var sum: UInt64 = 0xCBF2_9CE4_8422_2325 ^ UInt64(count)
        var place = 0
        while count - place >= 8 {
            sum = (sum ^ UInt64(littleEndian: loadUnaligned(fromByteOffset: place, as: UInt64.self))) &* 0x100_0000_01B3
            sum ^= sum >> 32
            place += 8
        }
        return self[place...].reduce(sum) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
