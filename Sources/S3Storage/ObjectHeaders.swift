import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

/// How an object's attributes stand in headers: metadata as ``Annotations`` lays them out, each with the same prefix.
enum ObjectHeaders {
    private static let prefix = "x-amz-meta-"
    private static let rules = Annotations.Rules(service: "S3", limit: 2048) { isPlain(name: $0) && isPlain(value: $1) }

    /// The headers of a write.
    ///
    /// - Throws: `tooLarge` over S3's limit, `invalid` for a content type or encoding that no header can hold.
    static func encode(
        _ attributes: ObjectAttributes, token: String, digest: Digest?
    ) throws(StorageError) -> [(String, String)] {
        let fields = try Annotations.fields(attributes, token: token, digest: digest, rules)
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

    /// S3 makes upper case lower.
    private static func isPlain(name: String) -> Bool {
        name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
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
        let annotations = Annotations(
            headers.fields.lazy.filter { $0.name.hasPrefix(prefix) }
                .map { (String($0.name.dropFirst(prefix.count)), $0.value) })
        let modified = ServerTime.http(headers["Last-Modified"]) ?? Date(timeIntervalSince1970: 0)
        let attributes = ObjectAttributes(
            contentType: annotations.isWithoutType ? nil : headers["Content-Type"],
            contentEncoding: headers["Content-Encoding"].flatMap { $0.isEmpty ? nil : $0 },
            metadata: annotations.metadata)
        return ObjectInfo(
            key: key, size: size,
            version: S3Version(etag: etag, token: annotations.token, modified: modified).version,
            digest: annotations.digest ?? checksum(headers), modified: modified, attributes: attributes)
    }

    /// S3's own checksum of the whole object, where another program stored it.
    private static func checksum(_ headers: HTTPHeaders) -> Digest? {
        guard let text = headers["x-amz-checksum-sha256"], headers["x-amz-checksum-type"] != "COMPOSITE" else {
            return nil
        }
        return Digest("SHA-256=" + text)
    }
}
