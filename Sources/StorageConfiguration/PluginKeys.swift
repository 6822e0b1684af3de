import Storage

/// The keys of a key generator.
struct KeyGeneratorKeys: Sendable {
    private enum Kind: Sendable {
        case time, entity, nuid, digest, composite
    }

    private var kind = Kind.time
    private var prefix: String?
    private var header = "Storage-Entity"
    private var field = "entity_id"
    private var generators: [any KeyGenerator] = []

    static let section = Section<KeyGeneratorKeys>(
        "How keys are made for messages that bring none.",
        [
            .choice(
                "generator", \.kind,
                [
                    ("time", .time), ("entity", .entity), ("nuid", .nuid), ("digest", .digest),
                    ("composite", .composite),
                ],
                "What they are made of; composite: the first of several that makes one."),
            .text("prefix", \.prefix, "What they begin with."),
            .text("header", \.header, "The header that names the entity."),
            .text("field", \.field, "The field of a JSON message that names the entity, where no header does."),
            Setting("generators", .list(.generator), "Those of a composite one.") {
                $1.generators = try $0.elements().map { try read($0) }
            },
        ])

    static func read(_ node: ConfigurationNode) throws -> any KeyGenerator {
        var keys = KeyGeneratorKeys()
        try section.read(node, into: &keys)
        let read = keys
        return try node.checked { try read.generator() }
    }

    private func generator() throws -> any KeyGenerator {
        switch kind {
        case .time: try TimeKeyGenerator(prefix: prefix ?? "message")
        case .entity: try EntityKeyGenerator(prefix: prefix ?? "entity", header: header, field: field)
        case .nuid: try NUIDKeyGenerator(prefix: prefix)
        case .digest: try DigestKeyGenerator(prefix: prefix)
        case .composite: CompositeKeyGenerator(generators)
        }
    }
}

/// The keys of a metadata extractor.
struct MetadataExtractorKeys: Sendable {
    private enum Kind: Sendable {
        case headers, json, none, composite
    }

    private var kind = Kind.headers
    private var names: [String] = []
    private var fields: [String] = []
    private var extractors: [any MetadataExtractor] = []

    static let section = Section<MetadataExtractorKeys>(
        "Which metadata messages bring.",
        [
            .choice(
                "extractor", \.kind,
                [("headers", .headers), ("json", .json), ("none", .none), ("composite", .composite)],
                "Where they are; composite: several together."),
            Setting("names", .list(.text), "Headers that are kept besides Storage-Meta-…") {
                $1.names = try $0.elements().map { try $0.string() }
            },
            Setting("fields", .list(.text), "Paths of fields of a JSON message.") {
                $1.fields = try $0.elements().map { try $0.string() }
            },
            Setting("extractors", .list(.extractor), "Those of a composite one.") {
                $1.extractors = try $0.elements().map { try read($0) }
            },
        ])

    static func read(_ node: ConfigurationNode) throws -> any MetadataExtractor {
        var keys = MetadataExtractorKeys()
        try section.read(node, into: &keys)
        return switch keys.kind {
        case .headers: HeaderMetadataExtractor(names: keys.names)
        case .json: JSONMetadataExtractor(fields: keys.fields)
        case .none: NoMetadataExtractor()
        case .composite: CompositeMetadataExtractor(keys.extractors)
        }
    }
}
