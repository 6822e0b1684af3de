import Encodings
import FoundationEssentials
import Storage

extension Configuration {
    /// The JSON Schema (2020-12) of a configuration file, as JSON.
    public static var schema: String {
        var schema = Schema.section(description)
        schema["$schema"] = .string("https://json-schema.org/draft/2020-12/schema")
        schema["title"] = .string("nats-storage")
        schema["$defs"] = .object([
            "store": Schema.store, "layer": Schema.layer,
            "generator": .object(Schema.section(KeyGeneratorKeys.section.description(.init()))),
            "extractor": .object(Schema.section(MetadataExtractorKeys.section.description(.init()))),
        ])
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // There is no value in it that JSON could not hold.
        return (try? encoder.encode(JSONValue.object(schema))).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}

/// What a JSON Schema says of shapes.
private enum Schema {
    typealias Object = [String: JSONValue]

    static func section(_ section: SectionDescription) -> Object {
        var properties: Object = [:]
        for key in section.keys { properties[key.name] = property(key) }
        var object: Object = [
            "type": .string("object"), "description": .string(section.summary), "properties": .object(properties),
            "additionalProperties": .bool(false),
        ]
        let required = section.keys.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { object["required"] = .array(required) }
        return object
    }

    private static func property(_ key: KeyDescription) -> JSONValue {
        var object = shape(key.shape)
        object["description"] = .string(key.summary)
        if let initial = key.initial { object["default"] = .string(initial) }
        return .object(object)
    }

    static var store: JSONValue {
        let layers = KeyDescription(
            name: "layers", summary: "What is put around the store, the outermost last.", shape: .list(.layer))
        return oneOf(
            StoreType.all.map { type in
                var section = type.description
                section.keys.append(layers)
                var object = Self.section(section)
                object.merge(properties: ["type": .object(["const": .string(type.name)])], required: "type")
                return .object(object)
            })
    }

    static var layer: JSONValue {
        let named = LayerType.all.filter { !$0.description.keys.contains(where: \.isRequired) }
        let names = JSONValue.object(["enum": .array(named.map { .string($0.name) })])
        return oneOf(
            [names]
                + LayerType.all.map { type in
                    .object([
                        "type": .string("object"), "required": .array([.string(type.name)]),
                        "additionalProperties": .bool(false),
                        "properties": .object([type.name: .object(section(type.description))]),
                    ])
                })
    }

    private static func shape(_ shape: Shape) -> Object {
        switch shape {
        case .text, .url: ["type": .array([.string("string"), .string("number"), .string("boolean")])]
        case .secret:
            anyOf(
                .object(Self.shape(.text)),
                .object([
                    "type": .string("object"), "properties": .object(["file": .object(["type": .string("string")])]),
                    "required": .array([.string("file")]), "additionalProperties": .bool(false),
                ]))
        case .integer(let range):
            scalar(
                ["type": .string("integer")], Double(range.lowerBound),
                range.upperBound == .max ? nil : Double(range.upperBound))
        case .number(let range): scalar(["type": .string("number")], range.lowerBound, range.upperBound)
        case .boolean:
            scalar([
                "enum": .array([
                    .bool(true), .bool(false), .string("yes"), .string("no"), .string("on"), .string("off"),
                ])
            ])
        case .size: anyOf(.object(["type": .string("integer")]), pattern("^[0-9]+(KiB|MiB|GiB|TiB)?$"), variable)
        case .duration(let word):
            anyOf(pattern("^([0-9]+(ms|s|m|h|d)\(word.map { "|" + $0 } ?? ""))$"), variable)
        case .choice(let words): anyOf(.object(["enum": .array(words.map { .string($0) })]), variable)
        case .list(let element): list(of: .object(Self.shape(element)))
        case .mapping(let value): ["type": .string("object"), "additionalProperties": .object(Self.shape(value))]
        case .section(let section): Self.section(section)
        case .store: reference("store")
        case .layer: reference("layer")
        case .generator: reference("generator")
        case .extractor: reference("extractor")
        }
    }

    /// Any value may come from the environment.
    private static let variable = pattern(#"\$\{"#)

    private static func pattern(_ pattern: String) -> JSONValue {
        .object(["type": .string("string"), "pattern": .string(pattern)])
    }

    private static func scalar(_ base: Object, _ minimum: Double? = nil, _ maximum: Double? = nil) -> Object {
        var object = base
        object["minimum"] = minimum.map { .number($0) }
        object["maximum"] = maximum.map { .number($0) }
        return anyOf(.object(object), variable)
    }

    private static func list(of element: JSONValue) -> Object {
        anyOf(.object(["type": .string("array"), "items": element]), element)
    }

    private static func reference(_ name: String) -> Object { ["$ref": .string("#/$defs/\(name)")] }

    private static func anyOf(_ schemas: JSONValue...) -> Object { ["anyOf": .array(schemas)] }

    private static func oneOf(_ schemas: [JSONValue]) -> JSONValue { .object(["oneOf": .array(schemas)]) }
}

extension [String: JSONValue] {
    fileprivate mutating func merge(properties: Self, required: String) {
        if case .object(let known)? = self["properties"] {
            self["properties"] = .object(known.merging(properties) { $1 })
        }
        var names: [JSONValue] = [.string(required)]
        if case .array(let known)? = self["required"] { names += known }
        self["required"] = .array(names)
    }
}
