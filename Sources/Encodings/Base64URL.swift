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
        var text = text
        return text.withUTF8 { text in
            var isValid = true
            let bytes = [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3 + 2) { bytes, end in
                let count = decode(text, into: bytes)
                (isValid, end) = (count != nil, count ?? 0)
            }
            return isValid ? bytes : nil
        }
    }

    /// The same, of UTF-8 into `bytes`: how many they are; nil where `text` is not base64url, or holds more.
    package static func decode(
        _ text: UnsafeBufferPointer<UInt8>, into bytes: UnsafeMutableBufferPointer<UInt8>
    ) -> Int? {
        let count = text.lastIndex { $0 != padding }.map { $0 + 1 } ?? 0
        let padded = text.count - count
        guard count % 4 != 1, padded == 0 || text.count % 4 == 0 && padded < 3, count * 3 / 4 <= bytes.count else {
            return nil
        }
        let values = values
        var (buffer, bits, end) = (UInt32(0), 0, 0)
        for character in text[..<count] {
            let value = values[Int(character)]
            guard value <= 63 else { return nil }
            buffer = buffer << 6 | UInt32(value)
            bits += 6
            guard bits >= 8 else { continue }
            bits -= 8
            bytes[end] = UInt8(truncatingIfNeeded: buffer >> UInt32(bits))
            end += 1
        }
        return end
    }

    /// What each character stands for; more than 63 where it is none of the alphabet's.
    private static let values: [UInt8] = (0...255).map { character in
        alphabet.firstIndex(of: character).map { UInt8($0) } ?? .max
    }
}
