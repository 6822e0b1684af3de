import Encodings
import FoundationEssentials
import HTTP
import Storage

/// How an object's attributes stand in headers.
///
/// Metadata that S3 keeps as they are stand under their own names: a lower-case name with one plain value. All others
/// (several values, upper case, UTF-8, white space at an end) stand percent-encoded in `nats-storage-more`, as
/// `name=value&name=value`. What this store adds of its own is in `nats-storage`: the token that makes the version
/// unique, the digest, and whether there was no content type.
enum ObjectHeaders {
    /// All names and values together; S3 refuses more.
    static let limit = 2048
    private static let prefix = "x-amz-meta-"
    private static let own = "nats-storage"
    private static let more = "nats-storage-more"

    /// The headers of a write.
    ///
    /// - Throws: `tooLarge` over S3's limit, `invalid` for a content type or encoding that no header can hold.
    static func encode(
        _ attributes: ObjectAttributes, token: String, digest: Digest?
    ) throws(StorageError) -> [(String, String)] {
        var additions = "token=" + token
        if let digest { additions += ";sha256=" + Base64URL.encode(digest.bytes) }
        if attributes.contentType == nil { additions += ";type=none" }
        var fields = [(own, additions)]
        var rest: [(String, String)] = []
        for (name, values) in attributes.metadata.sorted(by: { $0.key.utf8Precedes($1.key) }) {
            if let value = values.first, values.count == 1, isPlain(name: name), isPlain(value: value) {
                fields.append((name, value))
            } else if values.isEmpty {
                throw StorageError(.invalid, "metadata “\(name.abbreviated)” has no value")
            } else {
                rest += values.map { (PercentEncoding.encode(name), PercentEncoding.encode($0)) }
            }
        }
        if !rest.isEmpty { fields.append((more, rest.map { $0.0 + "=" + $0.1 }.joined(separator: "&"))) }
        let count = fields.reduce(0) { $0 + $1.0.utf8.count + $1.1.utf8.count }
        guard count <= limit else {
            throw StorageError(.tooLarge, "the metadata take \(count) bytes, encoded; S3 keeps \(limit)")
        }
        var headers = fields.map { (prefix + $0.0, $0.1) }
        if let type = attributes.contentType { headers.append(("content-type", try checked(type))) }
        if let encoding = attributes.contentEncoding { headers.append(("content-encoding", try checked(encoding))) }
        return headers
    }

    private static func checked(_ value: String) throws(StorageError) -> String {
        guard isPlain(value: value) else {
            throw StorageError(.invalid, "“\(value.abbreviated)” is no content type or encoding that S3 can keep")
        }
        return value
    }

    private static func isPlain(name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix(own)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// Printable ASCII without blanks at the ends or in a row, which signing would fold.
    private static func isPlain(value: String) -> Bool {
        !value.isEmpty && value.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } && !value.contains("  ")
            && value.first != " " && value.last != " " && !value.hasPrefix("=?")
    }

    /// The info that a get's or head's headers tell.
    ///
    /// - Parameter size: of the whole object, where the headers speak of a part.
    static func info(_ key: ObjectKey, _ headers: HTTPHeaders, size: Int) -> ObjectInfo? {
        guard let etag = headers["ETag"].map(ETag.bare) else { return nil }
        var metadata: Metadata = [:]
        var additions: [String: String] = [:]
        for field in headers.fields where field.name.hasPrefix(prefix) {
            let name = String(field.name.dropFirst(prefix.count))
            switch name {
            case own: additions = Self.additions(field.value)
            case more:
                for (name, value) in pairs(field.value) { metadata[name, default: []].append(value) }
            default: metadata[name, default: []].append(field.value)
            }
        }
        let modified = ServerTime.http(headers["Last-Modified"]) ?? Date(timeIntervalSince1970: 0)
        let digest = additions["sha256"].flatMap { Digest($0) } ?? checksum(headers)
        let attributes = ObjectAttributes(
            contentType: additions["type"] == "none" ? nil : headers["Content-Type"],
            contentEncoding: headers["Content-Encoding"].flatMap { $0.isEmpty ? nil : $0 }, metadata: metadata)
        return ObjectInfo(
            key: key, size: size, version: S3Version(etag: etag, token: additions["token"], modified: modified).version,
            digest: digest, modified: modified, attributes: attributes)
    }

    /// S3's own checksum of the whole object, where another program stored it.
    private static func checksum(_ headers: HTTPHeaders) -> Digest? {
        guard let text = headers["x-amz-checksum-sha256"], headers["x-amz-checksum-type"] != "COMPOSITE" else {
            return nil
        }
        return Digest("SHA-256=" + text)
    }

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

/// A version: the ETag, which S3 compares, and what tells apart two objects of the same bytes: the token of the write,
/// or of another program's object the time of it.
struct S3Version: Sendable, Hashable {
    let etag: String
    let mark: String

    init(etag: String, token: String?, modified: Date) {
        self.etag = etag
        mark = token ?? String(Int64(modified.timeIntervalSince1970))
    }

    /// Nil where `version` is none of this store's.
    init?(_ version: Version) {
        guard let split = version.description.lastIndex(of: ";") else { return nil }
        etag = String(version.description[..<split])
        mark = String(version.description[version.description.index(after: split)...])
        guard etag.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") }) else { return nil }
    }

    var version: Version { Version("\(etag);\(mark)") }

    /// The header that asks for it, as far as S3 can tell.
    var condition: [(String, String)] { [("if-match", ETag.quoted(etag))] }
}
