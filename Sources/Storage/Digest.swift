public import Crypto
import Encodings

/// The SHA-256 of an object's bytes, written `SHA-256=<base64url with padding>`, as ADR-20 does.
public struct Digest: Sendable, Hashable, LosslessStringConvertible {
    /// No array: listings hold digests by the million.
    private struct Words: Sendable, Hashable {
        let first, second, third, fourth: UInt64
    }

    private let words: Words

    /// The 32 bytes of the hash.
    public var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }

    /// Half of the hash, as two numbers.
    var firstWords: (UInt64, UInt64) { (words.first, words.second) }

    /// The digest that a finished hash computed.
    public init(_ digest: SHA256.Digest) {
        words = digest.withUnsafeBytes { $0.loadUnaligned(as: Words.self) }
    }

    /// The digest of `content`.
    public init(of content: some Collection<UInt8>) {
        var hash = SHA256()
        hash.update(content)
        self.init(hash.finalize())
    }

    /// The digest whose 32 bytes `write` fills in.
    init(_ write: (UnsafeMutableBufferPointer<UInt8>) -> Void) {
        words = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: SHA256.byteCount) { bytes in
            write(bytes)
            return UnsafeRawBufferPointer(bytes).loadUnaligned(as: Words.self)
        }
    }

    /// The digest whose 32 bytes these are; nil for any other number.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == SHA256.byteCount else { return nil }
        words = Array(bytes).withUnsafeBytes { $0.loadUnaligned(as: Words.self) }
    }

    /// The same of bytes as they lie.
    package init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == SHA256.byteCount else { return nil }
        words = bytes.loadUnaligned(as: Words.self)
    }

    /// Parses `SHA-256=<base64url>`, or 64 hexadecimal digits, with or without the name; nil for anything else.
    public init?(_ description: String) {
        var description = description
        var isValid = false
        self.init { bytes in
            isValid = description.withUTF8 { text in
                let hasName = text.starts(with: Self.name)
                let value = UnsafeBufferPointer(rebasing: text[(hasName ? Self.name.count : 0)...])
                if value.count == 2 * bytes.count { return Hexadecimal.decode(value, into: bytes) }
                return Base64URL.decode(value, into: bytes) == bytes.count
            }
        }
        if !isValid { return nil }
    }

    private static let name = Array("SHA-256=".utf8)

    /// `SHA-256=<base64url with padding>`.
    public var description: String { "SHA-256=" + Base64URL.encode(bytes) }

    /// The hash as 64 lower-case hexadecimal digits.
    public var hexadecimal: String { Hexadecimal.encode(bytes) }
}

extension SHA256 {
    /// Hashes bytes wherever they lie, without copying contiguous ones.
    package mutating func update(_ content: some Collection<UInt8>) {
        let contiguous: Void? = content.withContiguousStorageIfAvailable { update(bufferPointer: .init($0)) }
        if contiguous == nil { update(data: Array(content)) }
    }
}
