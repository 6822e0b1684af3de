import FoundationEssentials
import Encodings
import HTTP
import Storage

/// A version: the generation, which each write makes anew, and the metageneration, which each change of metadata does.
struct GCSVersion: Sendable, Hashable {
    let generation: Int64
    let metageneration: Int64

    init(generation: Int64, metageneration: Int64) {
        self.generation = generation
        self.metageneration = metageneration
    }

    /// Nil where `version` is none of this store's.
    init?(_ version: Version) {
        let parts = version.description.split(separator: ".", omittingEmptySubsequences: false).map { Int64($0) }
        guard parts.count == 2, let generation = parts[0], let metageneration = parts[1], generation > 0,
            metageneration > 0
        else { return nil }
        self.init(generation: generation, metageneration: metageneration)
    }

    var version: Version { Version("\(generation).\(metageneration)") }

    /// The query that asks for it.
    var condition: [(String, String)] {
        [("ifGenerationMatch", String(generation)), ("ifMetagenerationMatch", String(metageneration))]
    }
}

/// How an object stands in the service's JSON.
///
/// Metadata of one value stand under their own names; those of several stand, percent-encoded, in `nats-storage-more`
/// as `name=value&name=value`. What this store adds of its own is in `nats-storage`.
enum GCSObject {
    /// All names and values together; the service refuses more.
    static let limit = 8192
    private static let own = "nats-storage"
    private static let more = "nats-storage-more"

    /// - Throws: `tooLarge` over the service's limit.
    static func encode(
        _ attributes: ObjectAttributes, token: String, digest: Digest?
    ) throws(StorageError) -> [String: JSONValue] {
        var additions = "token=" + token
        if let digest { additions += ";sha256=" + Base64URL.encode(digest.bytes) }
        if attributes.contentType == nil { additions += ";type=none" }
        var fields = [own: additions]
        var rest: [String] = []
        for (name, values) in attributes.metadata.sorted(by: { $0.key.utf8Precedes($1.key) }) {
            if values.isEmpty { throw StorageError(.invalid, "metadata “\(name.abbreviated)” has no value") }
            if values.count == 1, !name.isEmpty, !name.hasPrefix(own), isPlain(name), isPlain(values[0]) {
                fields[name] = values[0]
            } else {
                rest += values.map { PercentEncoding.encode(name) + "=" + PercentEncoding.encode($0) }
            }
        }
        if !rest.isEmpty { fields[more] = rest.joined(separator: "&") }
        let count = fields.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard count <= limit else {
            throw StorageError(.tooLarge, "the metadata take \(count) bytes, encoded; Google keeps \(limit)")
        }
        var object: [String: JSONValue] = ["metadata": .object(fields.mapValues { .string($0) })]
        object["contentType"] = .string(attributes.contentType ?? "application/octet-stream")
        object["contentEncoding"] = .string(attributes.contentEncoding ?? "")
        return object
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
        var metadata: Metadata = [:]
        var additions: [Substring: Substring] = [:]
        for (name, value) in object.fields("metadata") {
            guard let text = value.plainText else { continue }
            switch name {
            case own:
                for part in text.split(separator: ";") {
                    let halves = part.split(separator: "=", maxSplits: 1)
                    if halves.count == 2 { additions[halves[0]] = halves[1] }
                }
            case more:
                for pair in text.split(separator: "&") {
                    let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    guard halves.count == 2, let name = PercentEncoding.decode(halves[0]),
                        let value = PercentEncoding.decode(halves[1])
                    else { continue }
                    metadata[name, default: []].append(value)
                }
            default: metadata[name] = [text]
            }
        }
        let encoding = object.plain("contentEncoding")
        return ObjectInfo(
            key: key, size: size,
            version: GCSVersion(generation: generation, metageneration: metageneration).version,
            digest: additions["sha256"].flatMap { Digest("SHA-256=" + $0) },
            modified: ServerTime.iso(object.plain("updated")) ?? Date(timeIntervalSince1970: 0),
            attributes: ObjectAttributes(
                contentType: additions["type"] == "none" ? nil : object.plain("contentType"),
                contentEncoding: encoding?.isEmpty ?? true ? nil : encoding, metadata: metadata))
    }

    /// The token of the write that made the object.
    static func token(_ object: JSONValue) -> String? {
        let text = JSONValue.object(object.fields("metadata")).plain(own)
        return text?.split(separator: ";").first { $0.hasPrefix("token=") }.map { String($0.dropFirst(6)) }
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
