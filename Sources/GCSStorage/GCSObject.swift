import Encodings
import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

/// How an object stands in the service's JSON, with metadata as ``Annotations`` lays them out.
enum GCSObject {
    private static let rules = Annotations.Rules(service: "Google", limit: 8192) { isPlain($0) && isPlain($1) }

    /// - Throws: `tooLarge` over the service's limit.
    static func encode(
        _ attributes: ObjectAttributes, token: String, digest: Digest?
    ) throws(StorageError) -> [String: JSONValue] {
        let fields = try Annotations.fields(attributes, token: token, digest: digest, rules)
        return [
            "metadata": .object(Dictionary(uniqueKeysWithValues: fields.map { ($0.0, .string($0.1)) })),
            "contentType": .string(attributes.contentType ?? "application/octet-stream"),
            "contentEncoding": .string(attributes.contentEncoding ?? ""),
        ]
    }

    /// Kept by proxies and other clients as it is: they show metadata as headers.
    private static func isPlain(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } && text.first != " " && text.last != " "
    }

    /// The info that the service's JSON tells; nil where it is none.
    static func info(_ key: ObjectKey, _ object: JSONValue) -> ObjectInfo? {
        guard let generation = object.integer("generation"), let metageneration = object.integer("metageneration"),
            generation > 0, metageneration > 0, let size = object.integer("size").flatMap({ Int(exactly: $0) }),
            size >= 0
        else { return nil }
        let annotations = annotations(object)
        let encoding = object.plain("contentEncoding")
        return ObjectInfo(
            key: key, size: size,
            version: GCSVersion(generation: generation, metageneration: metageneration).version,
            digest: annotations.digest,
            modified: ServerTime.iso(object.plain("updated")) ?? Date(timeIntervalSince1970: 0),
            attributes: ObjectAttributes(
                contentType: annotations.isWithoutType ? nil : object.plain("contentType"),
                contentEncoding: encoding?.isEmpty ?? true ? nil : encoding, metadata: annotations.metadata))
    }

    /// The token of the write that made the object.
    static func token(_ object: JSONValue) -> String? { annotations(object).token }

    private static func annotations(_ object: JSONValue) -> Annotations {
        Annotations(object.fields("metadata").lazy.compactMap { name, value in value.plainText.map { (name, $0) } })
    }
}

extension JSONValue {
    /// The text itself.
    var plainText: String? {
        if case .string(let text) = self { text } else { nil }
    }

    func plain(_ name: String) -> String? { fields()[name]?.plainText }

    /// The service writes 64-bit numbers as text.
    func integer(_ name: String) -> Int64? {
        switch fields()[name] {
        case .integer(let value): value
        case .string(let text): Int64(text)
        default: nil
        }
    }

    func fields() -> [String: JSONValue] {
        if case .object(let fields) = self { fields } else { [:] }
    }

    func fields(_ name: String) -> [String: JSONValue] { fields()[name]?.fields() ?? [:] }

    func elements(_ name: String) -> [JSONValue] {
        if case .array(let elements)? = fields()[name] { elements } else { [] }
    }
}
