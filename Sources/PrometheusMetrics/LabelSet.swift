/// The labels of one series, as the text format writes them: sorted by name, each name once.
struct LabelSet: Hashable, Sendable {
    /// `a="1",b="2"`; empty where there are none.
    let text: String

    static let none = LabelSet([])

    init(_ labels: [(String, String)]) {
        var values: [String: String] = [:]
        for (name, value) in labels { values[name.sanitized(allowing: "_")] = value }
        text = values.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value.escaped)\"" }.joined(separator: ",")
    }

    /// The same labels and one more, which has to sort behind nothing: histograms' `le`.
    func with(_ name: String, _ value: String) -> String {
        text.isEmpty ? "{\(name)=\"\(value)\"}" : "{\(text),\(name)=\"\(value)\"}"
    }

    var braced: String { text.isEmpty ? "" : "{\(text)}" }
}

extension String {
    /// The name with `_` in place of what names may not have.
    func sanitized(allowing extra: String) -> String {
        var result = ""
        for byte in utf8 {
            let character = Character(UnicodeScalar(byte))
            let isLetter = byte < 0x80 && (character.isLetter || extra.contains(character))
            let isDigit = byte < 0x80 && character.isNumber
            if isDigit && result.isEmpty { result = "_" }
            result.append(isLetter || isDigit ? character : "_")
        }
        return result.isEmpty ? "_" : result
    }

    /// As the value of a label.
    fileprivate var escaped: String {
        guard utf8.contains(where: { [UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "\n")].contains($0) })
        else { return self }
        return escapedLines.replacing("\"", with: "\\\"")
    }

    /// As the text of a HELP line.
    var escapedLines: String { replacing("\\", with: "\\\\").replacing("\n", with: "\\n") }
}
