import FoundationEssentials
import NATS
import Storage
import Yams

/// What is wrong with a configuration, and where.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// Path and sentence.
    public let description: String

    init(_ path: String, _ message: String) {
        description = path.isEmpty ? message : "\(path): \(message)"
    }
}

/// A part of the file that knows its path, so that every mistake is told with it.
struct ConfigurationNode {
    let node: Node
    let path: String
    let environment: [String: String]

    /// The fields of a mapping; any other than `known` is an error.
    func fields(_ known: String...) throws -> [String: ConfigurationNode] { try fields(known) }

    func fields(_ known: [String]) throws -> [String: ConfigurationNode] {
        guard let mapping = node.mapping else { throw ConfigurationError(path, "is not a mapping") }
        var fields: [String: ConfigurationNode] = [:]
        for (key, value) in mapping {
            let name = key.string ?? "?"
            let inner = path.isEmpty ? name : "\(path).\(name)"
            guard known.contains(name) else {
                throw ConfigurationError(inner, "is no key known here; known are \(known.joined(separator: ", "))")
            }
            fields[name] = ConfigurationNode(node: value, path: inner, environment: environment)
        }
        return fields
    }

    /// The elements of a list, or the one value that stands for a list of one.
    func elements() -> [ConfigurationNode] {
        guard let sequence = node.sequence else { return [self] }
        return sequence.enumerated().map { index, element in
            ConfigurationNode(node: element, path: "\(path)[\(index)]", environment: environment)
        }
    }

    /// Text, with `${NAME}` and `${NAME:-default}` replaced from the environment.
    func string() throws -> String {
        guard let text = node.scalar?.string else { throw ConfigurationError(path, "is not a text") }
        return try expand(text)
    }

    /// A mapping of any names to text.
    func texts() throws -> [String: String] {
        guard let mapping = node.mapping else { throw ConfigurationError(path, "is not a mapping") }
        return try mapping.reduce(into: [:]) { texts, entry in
            let name = entry.key.string ?? "?"
            let value = ConfigurationNode(node: entry.value, path: "\(path).\(name)", environment: environment)
            texts[name] = try value.string()
        }
    }

    /// Text, or the contents of a file: `{file: PATH}`. Never part of an error.
    func secret() throws -> String {
        guard node.mapping != nil else { return try string() }
        guard let file = try fields("file")["file"]?.string() else { throw ConfigurationError(path, "lacks `file`") }
        return try contents(of: file)
    }

    /// The contents of the file that it names. Never part of an error.
    func contents() throws -> String { try contents(of: try string()) }

    private func contents(of file: String) throws -> String {
        guard let data = try? Data(contentsOf: URL(filePath: file)) else {
            throw ConfigurationError(path, "file “\(file)” can't be read")
        }
        let text = String(decoding: data, as: UTF8.self)
        return String(text.reversed().drop { $0.isWhitespace }.reversed())
    }

    func integer(in range: ClosedRange<Int>) throws -> Int {
        guard let value = Int(try string()) else { throw ConfigurationError(path, "is not a whole number") }
        return try check(value, range)
    }

    func number(in range: ClosedRange<Double>) throws -> Double {
        guard let value = Double(try string()), value.isFinite else {
            throw ConfigurationError(path, "is not a number")
        }
        guard range.contains(value) else {
            throw ConfigurationError(path, "\(value) is not in \(range.lowerBound)…\(range.upperBound)")
        }
        return value
    }

    func boolean() throws -> Bool {
        switch try string() {
        case "true", "yes", "on": true
        case "false", "no", "off": false
        default: throw ConfigurationError(path, "is neither true nor false")
        }
    }

    /// `64KiB`, `10MiB`, `5GiB`, `2TiB`, or bytes.
    func size(in range: ClosedRange<Int> = 1...Int.max) throws -> Int {
        let units = ["KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40]
        let text = try string()
        let unit = units.first { text.hasSuffix($0.key) }
        guard let number = Int(text.dropLast(unit?.key.count ?? 0)), number >= 0 else {
            throw ConfigurationError(path, "is no size such as 64KiB, 10MiB or a number of bytes")
        }
        let (value, overflow) = number.multipliedReportingOverflow(by: 1 << (unit?.value ?? 0))
        guard !overflow else {
            throw ConfigurationError(path, "\(text) is not in \(range.lowerBound)…\(range.upperBound)")
        }
        return try check(value, range)
    }

    /// `500ms`, `30s`, `5m`, `24h`, `7d`.
    func duration() throws -> Duration {
        let units: [(String, Int64)] = [
            ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
        ]
        let text = try string()
        guard let unit = units.first(where: { text.hasSuffix($0.0) }),
            let number = Int64(text.dropLast(unit.0.count)), number > 0,
            case let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit.1), !overflow
        else { throw ConfigurationError(path, "is no duration such as 500ms, 30s, 5m or 24h") }
        return .milliseconds(milliseconds)
    }

    /// One of some words.
    func choice<Value>(_ values: [(String, Value)]) throws -> Value {
        let text = try string()
        guard let value = values.first(where: { $0.0 == text })?.1 else {
            throw ConfigurationError(path, "“\(text)” is none of \(values.map(\.0).joined(separator: ", "))")
        }
        return value
    }

    /// Text; nil where it is empty, as a variable that is not set leaves it.
    func text() throws -> String? {
        let text = try string()
        return text.isEmpty ? nil : text
    }

    /// A subject of NATS; to subscribe to it may hold wildcards.
    func subject(wildcards: Bool = false) throws -> String {
        let subject = try string()
        guard subject.isSubject(wildcards: wildcards) else {
            throw failure("“\(subject.abbreviated)” is no subject\(wildcards ? "" : " without wildcards")")
        }
        return subject
    }

    /// The name of a stream or consumer; nil where it is empty.
    func name() throws -> String? {
        guard let name = try text() else { return nil }
        let isName =
            name.utf8.count <= 255 && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }
            && !name.contains { ".*>/\\".contains($0) }
        guard isName else {
            throw failure("“\(name.abbreviated)” is no name: it holds a space, a slash or one of . * >, or is too long")
        }
        return name
    }

    /// A server's URL, as NATS takes it, or several with commas between them.
    func serverURLs() throws -> [String] {
        let text = try string()
        let urls = ServerURL.list(text)
        if let wrong = urls.isEmpty ? text : urls.first(where: { !ServerURL.isValid($0) }) {
            throw failure("“\(ServerURL.withoutCredentials(wrong).abbreviated)” is no URL such as nats://host:4222")
        }
        return urls
    }

    /// Runs what reads the value and throws errors that know no path.
    func checked<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as StorageError {
            throw failure(error.message)
        }
    }

    func failure(_ message: String) -> ConfigurationError { ConfigurationError(path, message) }

    private func check(_ value: Int, _ range: ClosedRange<Int>) throws -> Int {
        guard range.contains(value) else {
            throw ConfigurationError(path, "\(value) is not in \(range.lowerBound)…\(range.upperBound)")
        }
        return value
    }

    private func expand(_ text: String) throws -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "${") {
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else { break }
            let expression = rest[start.upperBound..<end]
            let mark = expression.firstRange(of: ":-")
            let name = String(expression[..<(mark?.lowerBound ?? expression.endIndex)])
            let fallback = mark.map { String(expression[$0.upperBound...]) }
            // As a shell has it, the fallback is for a variable that is empty too.
            let given = environment[name].map { $0.isEmpty ? fallback ?? $0 : $0 }
            guard let value = given ?? fallback else {
                throw ConfigurationError(path, "the environment variable \(name) is not set")
            }
            result += rest[..<start.lowerBound] + value
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}

extension String {
    func isSubject(wildcards: Bool = false) -> Bool {
        do {
            try Subject.validate(self, wildcards: wildcards)
            return true
        } catch {
            return false
        }
    }
}
