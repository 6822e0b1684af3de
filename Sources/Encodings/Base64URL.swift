/// Base64 with the URL-safe alphabet and padding (RFC 4648, section 5), as NATS object stores write names and digests.
package enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    private static let padding = UInt8(ascii: "=")

    package static func encode(_ bytes: [UInt8]) -> String {
        let count = (bytes.count + 2) / 3 * 4
        return String(unsafeUninitializedCapacity: count) { text in
            var position = 0
            for start in stride(from: 0, to: bytes.count, by: 3) {
                let rest = bytes.count - start
                let group =
                    UInt32(bytes[start]) << 16 | (rest > 1 ? UInt32(bytes[start + 1]) << 8 : 0)
                    | (rest > 2 ? UInt32(bytes[start + 2]) : 0)
                text[position] = alphabet[Int(group >> 18)]
                text[position + 1] = alphabet[Int(group >> 12) & 63]
                text[position + 2] = rest > 1 ? alphabet[Int(group >> 6) & 63] : padding
                text[position + 3] = rest > 2 ? alphabet[Int(group) & 63] : padding
                position += 4
            }
            return position
        }
    }

    /// Decodes, padded or not; nil where `text` is not base64url.
    package static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count / 4 * 3 + 2)
        var (buffer, bits, count, padded) = (UInt32(0), 0, 0, 0)
        for character in text.utf8 {
            if character == padding {
                padded += 1
                continue
            }
            guard padded == 0, let value = value(of: character) else { return nil }
            buffer = buffer << 6 | value
            bits += 6
            count += 1
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
                buffer &= (1 << UInt32(bits)) - 1
            }
        }
        guard count % 4 != 1, padded == 0 || (count + padded) % 4 == 0 && padded < 3 else { return nil }
        return bytes
    }

    private static func value(of character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
