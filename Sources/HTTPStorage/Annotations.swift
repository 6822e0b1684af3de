import Encodings
package import Storage

/// What a service keeps with an object's bytes, as named fields of text.
///
/// Metadata that the service keeps as they are stand under their own names: one value each. All others (several values,
/// and whatever the service would change) stand percent-encoded in `nats-storage-more`, as `name=value&name=value`. What
/// this store adds of its own is in `nats-storage`: the token of the write, the digest, and whether there was no content
/// type.
package struct Annotations: Sendable {
    /// What a service takes.
    package struct Rules: Sendable {
        /// What messages call it.
        let service: String
        /// All names and values together; the service refuses more.
        let limit: Int
        /// Whether it keeps a name and its value as they are.
        let keeps: @Sendable (_ name: String, _ value: String) -> Bool

        package init(service: String, limit: Int, keeps: @escaping @Sendable (String, String) -> Bool) {
            self.service = service
            self.limit = limit
            self.keeps = keeps
        }
    }

    private static let own = "nats-storage"
    private static let more = "nats-storage-more"

    /// The user's.
    package private(set) var metadata: Metadata = [:]
    private var additions: [String: String] = [:]

    /// Of the write that made the object; nil where another program did.
    package var token: String? { additions["token"] }
    /// Of the bytes, where it was known when they were written.
    package var digest: Digest? { additions["sha256"].flatMap { Digest($0) } }
    /// Whether the object has no content type, whatever the service says.
    package var isWithoutType: Bool { additions["type"] == "none" }

    /// What the fields of an object hold.
    package init(_ fields: some Sequence<(String, String)>) {
        for (name, value) in fields {
            switch name {
            case Self.own: additions = Self.additions(value)
            case Self.more: for (name, value) in Self.pairs(value) { metadata[name, default: []].append(value) }
            default: metadata[name, default: []].append(value)
            }
        }
    }

    /// The fields of a write.
    ///
    /// - Throws: `tooLarge` over the service's limit, `invalid` for metadata without a value.
    package static func fields(
        _ attributes: ObjectAttributes, token: String, digest: Digest?, _ rules: Rules
    ) throws(StorageError) -> [(String, String)] {
        var additions = "token=" + token
        if let digest { additions += ";sha256=" + Base64URL.encode(digest.bytes) }
        if attributes.contentType == nil { additions += ";type=none" }
        var fields = [(own, additions)]
        var rest: [String] = []
        for (name, values) in attributes.metadata.sorted(by: { $0.key.utf8Precedes($1.key) }) {
            guard let value = values.first else {
                throw StorageError(.invalid, "metadata “\(name.abbreviated)” has no value")
            }
            if values.count == 1, !name.isEmpty, !name.hasPrefix(own), rules.keeps(name, value) {
                fields.append((name, value))
            } else {
                rest += values.map { PercentEncoding.encode(name) + "=" + PercentEncoding.encode($0) }
            }
        }
        if !rest.isEmpty { fields.append((more, rest.joined(separator: "&"))) }
        let count = fields.reduce(0) { $0 + $1.0.utf8.count + $1.1.utf8.count }
        guard count <= rules.limit else {
            throw StorageError(
                .tooLarge, "the metadata take \(count) bytes, encoded; \(rules.service) keeps \(rules.limit)")
        }
        return fields
    }

    /// By bytes: other programs' text may go on with a character that joins the one before.
    private static func additions(_ text: String) -> [String: String] {
        var additions: [String: String] = [:]
        for part in text.utf8.split(separator: UInt8(ascii: ";")) {
            guard let mark = part.firstIndex(of: UInt8(ascii: "=")) else { continue }
            additions[String(Substring(part[..<mark]))] = String(Substring(part[part.index(after: mark)...]))
        }
        return additions
    }

    private static func pairs(_ text: String) -> [(String, String)] {
        text.split(separator: "&").compactMap { pair in
            guard let mark = pair.firstIndex(of: "="), let name = PercentEncoding.decode(pair[..<mark]),
                let value = PercentEncoding.decode(pair[pair.index(after: mark)...])
            else { return nil }
            return (name, value)
        }
    }
}
