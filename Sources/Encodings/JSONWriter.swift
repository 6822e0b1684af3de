/// Writes JSON field by field.
package struct JSONWriter {
    /// What was written so far.
    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    package init(reserving capacity: Int = 256) {
        bytes.reserveCapacity(capacity)
    }

    /// Writes an object, as a field's value or as the whole.
    package mutating func object(_ name: String? = nil, _ fields: (inout JSONWriter) -> Void) {
        begin(name, UInt8(ascii: "{"))
        fields(&self)
        end(UInt8(ascii: "}"))
    }

    /// Writes an array of strings as a field's value.
    package mutating func field(_ name: String, _ values: [String]) {
        begin(name, UInt8(ascii: "["))
        for value in values {
            separate()
            quote(value)
        }
        end(UInt8(ascii: "]"))
    }

    /// Writes an array as a field's value, each element an ``object(_:_:)`` without a name.
    package mutating func array(_ name: String, _ elements: (inout JSONWriter) -> Void) {
        begin(name, UInt8(ascii: "["))
        elements(&self)
        end(UInt8(ascii: "]"))
    }

    package mutating func field(_ name: String, _ value: String) {
        self.name(name)
        quote(value)
    }

    package mutating func field(_ name: String, _ value: some BinaryInteger) {
        self.name(name)
        bytes += String(value).utf8
    }

    package mutating func field(_ name: String, _ value: Bool) {
        self.name(name)
        bytes += (value ? "true" : "false").utf8
    }

    /// Writes a value that is JSON already.
    package mutating func field(_ name: String, json: [UInt8]) {
        self.name(name)
        bytes += json
    }

    private mutating func begin(_ name: String?, _ bracket: UInt8) {
        if let name { self.name(name) } else { separate() }
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func end(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func name(_ name: String) {
        separate()
        quote(name)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func quote(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            if utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
                bytes += utf8
            } else {
                for byte in utf8 { escape(byte) }
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(byte)
        case 0..<0x20:
            bytes += "\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8
        default:
            bytes.append(byte)
        }
    }
}
