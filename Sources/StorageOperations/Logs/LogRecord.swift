import Encodings
import FoundationEssentials
import Logging

/// One record, as it is written: one line of bounded length.
struct LogRecord: Sendable {
    private static let maxMessage = 8 << 10
    private static let maxValue = 1 << 10
    private static let maxFields = 32
    private static let ownFields: Set = ["time", "level", "part", "message"]

    let time = Date.now
    let level: Logger.Level
    let part: String
    let message: String
    let metadata: Logger.Metadata

    /// `time level part: message name=value …`
    var text: [UInt8] {
        var line = "\(RFC3339.format(time)) \(level) \(part): \(message.cut(to: Self.maxMessage).oneLine)"
        for (name, value) in fields { line += " \(name)=\(value.asText)" }
        return Array((line + "\n").utf8)
    }

    /// `{"time", "level", "part", "message", …}`
    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("time", RFC3339.format(time))
            writer.field("level", level.rawValue)
            writer.field("part", part)
            writer.field("message", message.cut(to: Self.maxMessage))
            for (name, value) in fields { writer.field(name, value) }
        }
        return writer.bytes + [UInt8(ascii: "\n")]
    }

    private var fields: [(String, String)] {
        metadata.sorted { $0.key < $1.key }.prefix(Self.maxFields).map { name, value in
            let name = name.cut(to: 64).oneLine
            return (Self.ownFields.contains(name) ? name + "_" : name, "\(value)".cut(to: Self.maxValue))
        }
    }
}

extension String {
    /// The beginning of it that fits so many bytes.
    fileprivate func cut(to count: Int) -> String {
        guard utf8.count > count else { return self }
        var end = utf8.index(startIndex, offsetBy: count)
        while Unicode.UTF8.isContinuation(utf8[end]) { end = utf8.index(before: end) }
        return self[..<end] + "…"
    }

    /// Without what would end a line, or steer a terminal.
    fileprivate var oneLine: String {
        guard unicodeScalars.contains(where: \.isControl) else { return self }
        return unicodeScalars.map { scalar in
            scalar.isControl ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
        }.joined()
    }

    /// In quotation marks where it would not be seen to be one word.
    fileprivate var asText: String {
        let isWord = !isEmpty && !unicodeScalars.contains { " \"=".unicodeScalars.contains($0) || $0.isControl }
        if isWord { return self }
        return "\"" + replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").oneLine + "\""
    }
}

extension Unicode.Scalar {
    fileprivate var isControl: Bool {
        value < 0x20 || (0x7f...0x9f).contains(value) || [0x2028, 0x2029].contains(value)
    }
}
