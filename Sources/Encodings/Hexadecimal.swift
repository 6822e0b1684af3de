/// Bytes as two digits each.
package enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    /// In lower case.
    package static func encode(_ bytes: [UInt8]) -> String {
        String(unsafeUninitializedCapacity: 2 * bytes.count) { buffer in
            var index = 0
            for byte in bytes {
                buffer[index] = digits[Int(byte >> 4)]
                buffer[index + 1] = digits[Int(byte & 15)]
                index += 2
            }
            return index
        }
    }

    /// Of digits in either case; nil for anything else.
    package static func decode(_ text: String) -> [UInt8]? {
        var text = text
        return text.withUTF8 { text in
            var isValid = true
            let bytes = [UInt8](unsafeUninitializedCapacity: text.count / 2) { bytes, end in
                isValid = decode(text, into: bytes)
                end = isValid ? text.count / 2 : 0
            }
            return isValid ? bytes : nil
        }
    }

    /// The same, of UTF-8 into `bytes`; false where `text` is anything else, or holds more.
    package static func decode(
        _ text: UnsafeBufferPointer<UInt8>, into bytes: UnsafeMutableBufferPointer<UInt8>
    ) -> Bool {
        guard text.count % 2 == 0, text.count / 2 <= bytes.count else { return false }
        for index in 0..<text.count / 2 {
            guard let high = value(text[2 * index]), let low = value(text[2 * index + 1]) else { return false }
            bytes[index] = high << 4 | low
        }
        return true
    }

    /// What a digit in either case stands for; nil for any other byte.
    static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
