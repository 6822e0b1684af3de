import Storage
import Yams

/// A configuration as it takes effect, to be printed: what was given, what holds without, and no secrets.
indirect enum Printed {
    case scalar(String)
    case list([Printed])
    case mapping([Entry])

    struct Entry {
        var name: String
        var value: Printed
        /// Whether the file does not say it.
        var isInitial = false
    }
}

extension Configuration {
    /// Reads a file as ``init(yaml:environment:)`` does, and prints it as it takes effect: with the environment's variables
    /// put in, with what holds for the keys that are missing, and without secrets.
    ///
    /// - Throws: ``ConfigurationError``.
    public static func check(yaml: String, environment: [String: String]) throws -> String {
        _ = try Configuration(yaml: yaml, environment: environment)
        let root = try ConfigurationNode(yaml: yaml, environment: environment)
        return try root.printed(.section(description)).lines().joined(separator: "\n") + "\n"
    }
}

extension ConfigurationNode {
    /// - Parameter hides: whether secrets are left out.
    func printed(_ shape: Shape, hides: Bool = true) throws -> Printed {
        switch shape {
        case .secret: .scalar(hides ? "(hidden)" : try secret())
        case .url: .scalar(hides ? try string().withoutUser : try string())
        case .text, .integer, .number, .boolean, .size, .duration, .choice:
            .scalar(hides ? try string().withoutPassword : try string())
        case .list(let element): .list(try elements().map { try $0.printed(element, hides: hides) })
        case .mapping(let value):
            .mapping(
                try values().sorted { $0.key < $1.key }
                    .map { .init(name: $0.key, value: try $0.value.printed(value, hides: hides)) })
        case .section(let section): .mapping(try entries(section, hides))
        case .generator: .mapping(try entries(KeyGeneratorKeys.section.description(.init()), hides))
        case .extractor: .mapping(try entries(MetadataExtractorKeys.section.description(.init()), hides))
        case .store: try printedStore(hides)
        case .layer: try printedLayer(hides)
        }
    }

    private func entries(_ section: SectionDescription, _ hides: Bool) throws -> [Printed.Entry] {
        try section.keys.compactMap { key in
            if let value = try field(key.name) {
                return .init(name: key.name, value: try value.printed(key.shape, hides: hides))
            }
            return key.initial.map { .init(name: key.name, value: .scalar($0), isInitial: true) }
        }
    }

    private func printedStore(_ hides: Bool) throws -> Printed {
        let type = try storeType()
        var all: [Printed.Entry] = [.init(name: "type", value: .scalar(type.name))]
        all += try entries(type.description, hides)
        if let layers = try field("layers") {
            all.append(.init(name: "layers", value: try layers.printed(.list(.layer), hides: hides)))
        }
        return .mapping(all)
    }

    private func printedLayer(_ hides: Bool) throws -> Printed {
        let (type, options) = try layerType()
        let entries = try options.entries(type.description, hides)
        return entries.isEmpty
            ? .scalar(type.name) : .mapping([.init(name: type.name, value: .mapping(entries))])
    }
}

extension Printed {
    /// As YAML.
    fileprivate func lines() -> [String] {
        switch self {
        case .scalar(let text): [text.asYAML]
        case .list(let elements):
            elements.flatMap { element in
                element.lines().enumerated().map { $0.offset == 0 ? "- " + $0.element : "  " + $0.element }
            }
        case .mapping(let entries): entries.flatMap { $0.lines() }
        }
    }
}

extension Printed.Entry {
    fileprivate func lines() -> [String] {
        switch value {
        case .scalar(let text): ["\(name): \(text.asYAML)" + (isInitial ? "  # unless given" : "")]
        case .list(let elements) where elements.isEmpty: ["\(name): []"]
        case .mapping(let entries) where entries.isEmpty: ["\(name): {}"]
        case .list, .mapping: ["\(name):"] + value.lines().map { "  " + $0 }
        }
    }
}

extension String {
    /// Quoted where YAML would take it for something else.
    fileprivate var asYAML: String {
        let plain = utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "_./:@-()+".utf8.contains(byte)
            }
        }
        let startsWell = first.map { !"-:@".contains($0) } ?? false
        if plain, startsWell, last != ":" { return self }
        let escaped = unicodeScalars.map { scalar in
            switch scalar {
            case "\"": "\\\""
            case "\\": "\\\\"
            case "\n": "\\n"
            case let control where control.value < 0x20:
                "\\x" + (control.value < 16 ? "0" : "") + String(control.value, radix: 16)
            default: String(scalar)
            }
        }
        return "\"" + escaped.joined() + "\""
    }

    /// Without the user and password of a URL, where it is one.
    fileprivate var withoutPassword: String { contains("://") ? withoutUser : self }

    /// A URL, with or without a scheme, without the user and password that it may hold.
    fileprivate var withoutUser: String {
        let start = firstRange(of: "://")?.upperBound ?? startIndex
        guard let end = self[start...].lastIndex(of: "@") else { return self }
        return self[..<start] + "(hidden)" + self[end...]
    }
}
