import Encodings

/// Makes user metadata from a message. Safe to call from any task.
public protocol MetadataExtractor: Sendable {
    /// The metadata that `message` holds; empty where there is none.
    func metadata(of message: Message) -> Metadata
}

/// Takes `Storage-Meta-<Name>` headers, and further headers by name.
public struct HeaderMetadataExtractor: MetadataExtractor {
    /// What user metadata headers begin with.
    public static let prefix = "Storage-Meta-"
    private let names: Set<String>

    /// Takes the headers `names` beside those of user metadata.
    public init(names: [String] = []) {
        self.names = Set(names)
    }

    public func metadata(of message: Message) -> Metadata {
        var metadata: Metadata = [:]
        for (name, value) in message.headers {
            if name.hasPrefix(Self.prefix), name.count > Self.prefix.count {
                metadata[String(name.dropFirst(Self.prefix.count)), default: []].append(value)
            } else if names.contains(name) {
                metadata[name, default: []].append(value)
            }
        }
        return metadata
    }
}

/// Takes fields of a JSON payload; an array of scalars gives several values.
public struct JSONMetadataExtractor: MetadataExtractor {
    private let fields: [String]

    /// Takes the fields at these dotted paths, each under its path as name.
    public init(fields: [String]) {
        self.fields = fields
    }

    public func metadata(of message: Message) -> Metadata {
        guard let json = JSONValue.parse(message.payload) else { return [:] }
        var metadata: Metadata = [:]
        for field in fields {
            switch json.value(at: field) {
            case .array(let values)?: metadata[field] = values.compactMap(\.text)
            case let value?: metadata[field] = value.text.map { [$0] }
            case nil: break
            }
        }
        return metadata.filter { !$0.value.isEmpty }
    }
}

/// Takes nothing.
public struct NoMetadataExtractor: MetadataExtractor {
    /// The extractor that takes nothing.
    public init() {}

    public func metadata(of message: Message) -> Metadata { [:] }
}

/// Asks several extractors; a later one replaces what an earlier one said under the same name.
public struct CompositeMetadataExtractor: MetadataExtractor {
    private let extractors: [any MetadataExtractor]

    /// Asks `extractors` in this order.
    public init(_ extractors: [any MetadataExtractor]) {
        self.extractors = extractors
    }

    public func metadata(of message: Message) -> Metadata {
        extractors.reduce(into: [:]) { all, extractor in
            all.merge(extractor.metadata(of: message)) { _, later in later }
        }
    }
}
