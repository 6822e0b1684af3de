import Glibc

/// The name of an object: a `/`-separated path of 1…1024 bytes of UTF-8.
///
/// No segment is empty, `.` or `..`, there is no leading or trailing `/`, and no control character. Every other
/// character is ordinary, `*`, `>`, spaces and `%` included. Keys are compared, ordered and hashed by their UTF-8
/// bytes: two spellings that Unicode calls equivalent are two keys.
public struct ObjectKey: Sendable, Hashable, Comparable, LosslessStringConvertible {
    /// The most bytes of UTF-8 that a key may have.
    public static let maximumBytes = 1024

    /// The key as it was given.
    public let rawValue: String

    /// Validates `rawValue`.
    ///
    /// - Throws: ``StorageError`` of kind `invalid`, with a message that says what is wrong.
    public init(validating rawValue: String) throws(StorageError) {
        if let flaw = Self.flaw(in: rawValue) {
            throw StorageError(.invalid, "key “\(rawValue.abbreviated)” \(flaw)")
        }
        self.rawValue = rawValue
    }

    /// Validates bytes that came from outside: they must be UTF-8 too.
    public init(validating bytes: some Collection<UInt8>) throws(StorageError) {
        let plain = bytes.withContiguousStorageIfAvailable { Self.plain($0) }
        if let key = plain ?? nil {
            self = key
            return
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw StorageError(.invalid, "the key is not valid UTF-8")
        }
        try self.init(validating: text)
    }

    /// The key of bytes as they lie; nil where they are none.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard let key = bytes.withMemoryRebound(to: UInt8.self, { Self.plain($0) ?? (try? ObjectKey(validating: $0)) })
        else { return nil }
        self = key
    }

    /// The key of plain ASCII, as most are; nil for what has to be looked at more closely.
    private static func plain(_ bytes: UnsafeBufferPointer<UInt8>) -> ObjectKey? {
        guard bytes.reduce(0, |) < 0x80, flaw(in: bytes) == nil else { return nil }
        let text = String(unsafeUninitializedCapacity: bytes.count) {
            _ = $0.initialize(from: bytes); return bytes.count
        }
        return ObjectKey(unchecked: text)
    }

    private init(unchecked rawValue: String) {
        self.rawValue = rawValue
    }

    /// The key, or nil where it is not valid.
    public init?(_ description: String) {
        guard Self.flaw(in: description) == nil else { return nil }
        self.rawValue = description
    }

    /// The key as it was given.
    public var description: String { rawValue }

    public static func == (left: ObjectKey, right: ObjectKey) -> Bool {
        left.rawValue.withBytes { right.isWritten(as: UnsafeRawBufferPointer($0)) }
    }

    public static func < (left: ObjectKey, right: ObjectKey) -> Bool {
        left.rawValue.utf8Precedes(right.rawValue)
    }

    /// Hashes the UTF-8 bytes, as equality compares them.
    public func hash(into hasher: inout Hasher) {
        rawValue.withBytes { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }

    /// Whether `bytes` are those of its UTF-8.
    package func isWritten(as bytes: UnsafeRawBufferPointer) -> Bool {
        rawValue.withBytes { own in
            guard own.count == bytes.count, let start = own.baseAddress, let other = bytes.baseAddress else {
                return own.isEmpty && bytes.isEmpty
            }
            return memcmp(start, other, own.count) == 0
        }
    }

    private static func flaw(in text: String) -> String? { text.withBytes { flaw(in: $0) } }

    private static func flaw(in bytes: UnsafeBufferPointer<UInt8>) -> String? {
        if bytes.isEmpty { return "is empty" }
        if bytes.count > maximumBytes { return "is longer than \(maximumBytes) bytes" }
        var (length, dots, previous) = (0, 0, UInt8(0))
        for byte in bytes {
            if byte == UInt8(ascii: "/") {
                if let flaw = segmentFlaw(length, dots) { return flaw }
                (length, dots) = (0, 0)
            } else {
                length += 1
                if byte == UInt8(ascii: ".") { dots += 1 }
                // U+0080…U+009F are C2 80…C2 9F.
                let isControl = byte < 0x20 || byte == 0x7f || previous == 0xc2 && byte < 0xa0
                if isControl { return "holds a control character" }
            }
            previous = byte
        }
        return segmentFlaw(length, dots)
    }

    private static func segmentFlaw(_ length: Int, _ dots: Int) -> String? {
        if length == 0 { return "has an empty path segment: no leading, trailing or double “/”" }
        return dots == length && length <= 2 ? "has a path segment “.” or “..”" : nil
    }
}

extension String {
    /// Order by UTF-8 bytes; `<` on strings orders by Unicode equivalence instead.
    package func utf8Precedes(_ other: String) -> Bool {
        withBytes { bytes in other.withBytes { bytes.lexicographicallyPrecedes($0) } }
    }

    /// Lends the UTF-8 bytes where they lie: several times faster than the view's iterator.
    package func withBytes<Value>(_ body: (UnsafeBufferPointer<UInt8>) -> Value) -> Value {
        if let value = utf8.withContiguousStorageIfAvailable(body) { return value }
        return Array(utf8).withUnsafeBufferPointer(body)
    }

    /// Whether the UTF-8 bytes begin with those of `prefix`.
    package func utf8HasPrefix(_ prefix: String) -> Bool {
        withBytes { bytes in prefix.withBytes { bytes.starts(with: $0) } }
    }

    /// Whether the UTF-8 bytes are the same: `==` takes different ones for equal where they look alike.
    package func utf8IsEqual(_ other: String) -> Bool {
        withBytes { bytes in other.withBytes { bytes.elementsEqual($0) } }
    }

    /// Short enough for an error message, whatever a peer sent: at most 256 bytes.
    package var abbreviated: String {
        guard utf8.count > 80 else { return self }
        var short = String(prefix(77))
        while short.utf8.count > 253 { short.unicodeScalars.removeLast() }
        return short.utf8.count < utf8.count ? short + "…" : self
    }

    /// Whether it is of `A-Z a-z 0-9 - _`: what buckets and instances are named.
    package var isName: Bool {
        !isEmpty
            && utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
