public import Crypto
import FoundationEssentials

/// The SHA-256 of an object's bytes, written `SHA-256=<base64url with padding>`, as ADR-20 does.
public struct Digest: Sendable, Hashable, LosslessStringConvertible {
    // In place, not in an array: an info is copied often, and each array would be counted.
    private let first: UInt64
    private let second: UInt64
    private let third: UInt64
    private let fourth: UInt64

    /// The 32 bytes of the hash.
    public var bytes: [UInt8] {
        [first, second, third, fourth].flatMap { word in withUnsafeBytes(of: word.bigEndian) { Array($0) } }
    }

    /// The digest that a finished hash computed.
    public init(_ digest: SHA256.Digest) {
        self = digest.withUnsafeBytes { Digest(words: $0) }
    }

    private init(words bytes: UnsafeRawBufferPointer) {
        func word(_ index: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
        }
        (first, second, third, fourth) = (word(0), word(1), word(2), word(3))
    }

    /// The digest of `content`.
    public init(of content: some Collection<UInt8>) {
        var hash = SHA256()
        hash.update(content)
        self.init(hash.finalize())
    }

    /// Parses `SHA-256=<base64url>`, or 64 hexadecimal digits, with or without the name; nil for anything else.
    public init?(_ description: String) {
        let text = description.hasPrefix("SHA-256=") ? String(description.dropFirst(8)) : description
        guard let bytes = Self.hexadecimal(text) ?? Base64URL.decode(text), bytes.count == SHA256.byteCount else {
            return nil
        }
        self = bytes.withUnsafeBytes { Digest(words: $0) }
    }

    /// `SHA-256=<base64url with padding>`.
    public var description: String { "SHA-256=" + Base64URL.encode(bytes) }

    /// The hash as 64 lower-case hexadecimal digits.
    public var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static func hexadecimal(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count == 2 * SHA256.byteCount else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        return bytes
    }
}

extension SHA256 {
    /// Hashes bytes wherever they lie, without copying contiguous ones.
    package mutating func update(_ content: some Collection<UInt8>) {
        let contiguous: Void? = content.withContiguousStorageIfAvailable { update(bufferPointer: .init($0)) }
        if contiguous == nil { update(data: Array(content)) }
    }
}

/// Base64 with the URL-safe alphabet and padding (RFC 4648, section 5), as NATS object stores write names and digests.
package enum Base64URL {
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        let standard = Data(bytes).base64EncodedData()
        return String(
            decoding: standard.map { byte in
                switch byte {
                case UInt8(ascii: "+"): UInt8(ascii: "-")
                case UInt8(ascii: "/"): UInt8(ascii: "_")
                default: byte
                }
            }, as: UTF8.self)
    }

    /// Decodes, padded or not; nil where `text` is not base64url.
    package static func decode(_ text: String) -> [UInt8]? {
        var standard = text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: byte
            }
        }
        while standard.count % 4 != 0 { standard.append(UInt8(ascii: "=")) }
        return Data(base64Encoded: Data(standard)).map { Array($0) }
    }
}
