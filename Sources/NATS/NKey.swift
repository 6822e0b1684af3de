import Crypto
import FoundationEssentials

/// The public half of an NKey seed, which the library wants beside the seed's file.
package enum NKey {
    /// The public user key of the seed in `file`.
    ///
    /// - Throws: `invalidArgument` where the file can't be read or holds no user seed (`SU…`).
    package static func publicKey(seedFile file: String) throws(NATSError) -> String {
        guard let contents = try? Data(contentsOf: URL(filePath: file)) else {
            throw NATSError(.invalidArgument, "the NKey seed file “\(file)” can't be read")
        }
        let text = String(decoding: contents, as: UTF8.self)
        let line = text.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("SU") }
        guard let line, let key = publicKey(seed: String(line)) else {
            throw NATSError(.invalidArgument, "“\(file)” holds no user NKey seed")
        }
        return key
    }

    /// The public key of a user seed; nil where it is none.
    static func publicKey(seed: String) -> String? {
        // Two bytes of prefix, 32 of seed, two of checksum.
        guard let bytes = Base32.decode(seed), bytes.count == 36,
            checksum(bytes[..<34]) == UInt16(bytes[34]) | UInt16(bytes[35]) << 8,
            let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes[2..<34])
        else { return nil }
        let userPrefix: UInt8 = 20 << 3
        return text([userPrefix] + Array(key.publicKey.rawRepresentation))
    }

    /// A key or seed as text: its prefix and bytes with a checksum behind them.
    package static func text(_ bytes: [UInt8]) -> String {
        let sum = checksum(bytes[...])
        return Base32.encode(bytes + [UInt8(sum & 0xff), UInt8(sum >> 8)])
    }

    /// CRC-16/XMODEM.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        bytes.reduce(0) { sum, byte in
            (0..<8).reduce(sum ^ UInt16(byte) << 8) { sum, _ in
                sum & 0x8000 == 0 ? sum << 1 : sum << 1 ^ 0x1021
            }
        }
    }
}

/// Base32 without padding (RFC 4648, section 6).
enum Base32 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)

    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        for character in text.utf8 {
            guard let value = alphabet.firstIndex(of: character) else { return nil }
            buffer = buffer << 5 | UInt32(value)
            bits += 5
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
                buffer &= (1 << UInt32(bits)) - 1
            }
        }
        return bytes
    }

    static func encode(_ bytes: [UInt8]) -> String {
        var characters: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                characters.append(alphabet[Int(buffer >> UInt32(bits)) & 31])
                buffer &= (1 << UInt32(bits)) - 1
            }
        }
        if bits > 0 { characters.append(alphabet[Int(buffer << UInt32(5 - bits)) & 31]) }
        return String(decoding: characters, as: UTF8.self)
    }
}
