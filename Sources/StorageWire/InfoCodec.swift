import Encodings
package import Storage

/// An object's info as JSON.
package struct WireInfo: Codable, Sendable {
    package var key: String
    package var size: Int
    package var version: String
    package var digest: String?
    package var modified: String
    package var expires: String?
    package var content_type: String?
    package var content_encoding: String?
    package var metadata: Metadata

    package init(_ info: ObjectInfo) {
        key = info.key.rawValue
        size = info.size
        version = info.version.description
        digest = info.digest?.description
        modified = RFC3339.format(info.modified)
        expires = info.expires.map(RFC3339.format)
        content_type = info.attributes.contentType
        content_encoding = info.attributes.contentEncoding
        metadata = info.attributes.metadata
    }

    /// - Throws: `internal` where the component's answer makes no sense.
    package func info() throws(StorageError) -> ObjectInfo {
        guard let key = ObjectKey(key), let modified = RFC3339.parse(modified), size >= 0 else {
            throw StorageError(.internal, "the component's object info makes no sense")
        }
        return ObjectInfo(
            key: key, size: size, version: Version(version), digest: digest.flatMap { Digest($0) }, modified: modified,
            expires: expires.flatMap(RFC3339.parse),
            attributes: ObjectAttributes(
                contentType: content_type, contentEncoding: content_encoding, metadata: metadata))
    }
}

/// What an object's info says of its attributes, as JSON.
package struct WireAttributes: Encodable {
    private let content_type: String?
    private let content_encoding: String?
    private let metadata: Metadata

    package init(_ attributes: ObjectAttributes) {
        content_type = attributes.contentType
        content_encoding = attributes.contentEncoding
        metadata = attributes.metadata
    }
}

extension ObjectAttributes {
    /// No encoding of them takes more bytes.
    package var sizeAtMost: Int {
        // As an escape of six bytes each, beside quotes and the name of a header.
        func size(_ text: String) -> Int { 6 * text.utf8.count + 32 }
        var sum = size(contentType ?? "") + size(contentEncoding ?? "")
        for (name, values) in metadata {
            let nameSize = size(name)
            sum += nameSize
            for value in values { sum += nameSize + size(value) }
        }
        return sum
    }
}

/// The headers that carry an object's info beside its bytes.
package enum ObjectHeaders {
    package static func encode(_ info: ObjectInfo, range: Range<Int>?) -> WireHeaders {
        var headers: WireHeaders = [
            RequestCodec.header(for: info.key), (WireHeader.size, String(info.size)),
            (WireHeader.version, info.version.description), (WireHeader.modified, RFC3339.format(info.modified)),
        ]
        if let digest = info.digest { headers.append((WireHeader.digest, digest.description)) }
        if let expires = info.expires { headers.append((WireHeader.expires, RFC3339.format(expires))) }
        if let range {
            let last = max(range.lowerBound, range.upperBound - 1)
            headers.append((WireHeader.contentRange, "bytes \(range.lowerBound)-\(last)/\(info.size)"))
        }
        // What another writer of the bucket gave it, no header may carry: the info as JSON tells it.
        var attributes = info.attributes
        attributes.contentType = attributes.contentType.flatMap { isLine($0) ? $0 : nil }
        attributes.contentEncoding = attributes.contentEncoding.flatMap { isLine($0) ? $0 : nil }
        return headers + encode(attributes)
    }

    /// Attributes as headers, a line each where NATS can carry it, the other metadata as JSON.
    package static func encode(_ attributes: ObjectAttributes) -> WireHeaders {
        var headers: WireHeaders = []
        if let type = attributes.contentType { headers.append((WireHeader.contentType, type)) }
        if let encoding = attributes.contentEncoding { headers.append((WireHeader.contentEncoding, encoding)) }
        var others: Metadata = [:]
        for (name, values) in attributes.metadata.sorted(by: { $0.key < $1.key }) {
            if isToken(name), values.allSatisfy(isLine), !values.isEmpty {
                headers += values.map { (WireHeader.metadataPrefix + name, $0) }
            } else {
                others[name] = values
            }
        }
        guard !others.isEmpty else { return headers }
        return headers + [(WireHeader.metadata, String(decoding: JSON.encode(others), as: UTF8.self))]
    }

    private static func isToken(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }
    }

    /// Not empty, since some clients' parsers lose what follows; no white space around it, which all of them drop.
    private static func isLine(_ value: String) -> Bool {
        guard let first = value.utf8.first, let last = value.utf8.last else { return false }
        return first > 0x20 && last > 0x20 && value.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x09 }
    }

    /// - Throws: `invalid` where the metadata's JSON is none.
    package static func attributes(in headers: WireHeaders) throws(StorageError) -> ObjectAttributes {
        var attributes = ObjectAttributes(
            contentType: headers.first(WireHeader.contentType),
            contentEncoding: headers.first(WireHeader.contentEncoding))
        for (name, value) in headers
        where name.hasPrefix(WireHeader.metadataPrefix) && name.utf8.count > WireHeader.metadataPrefix.utf8.count {
            attributes.metadata[String(name.dropFirst(WireHeader.metadataPrefix.count)), default: []].append(value)
        }
        if let text = headers.first(WireHeader.metadata) {
            let others = try JSON.decode(Metadata.self, from: Array(text.utf8), what: WireHeader.metadata)
            attributes.metadata.merge(others) { $0 + $1 }
        }
        return attributes
    }

    /// The info that a get's reply carries.
    package static func info(in headers: WireHeaders) throws(StorageError) -> ObjectInfo {
        guard let key = try RequestCodec.key(in: headers),
            let size = headers.first(WireHeader.size).flatMap({ Int($0) }), size >= 0,
            let version = headers.first(WireHeader.version),
            let modified = headers.first(WireHeader.modified).flatMap(RFC3339.parse)
        else { throw StorageError(.internal, "the component's reply lacks the object's info") }
        return ObjectInfo(
            key: key, size: size, version: Version(version),
            digest: headers.first(WireHeader.digest).flatMap { Digest($0) }, modified: modified,
            expires: headers.first(WireHeader.expires).flatMap(RFC3339.parse), attributes: try attributes(in: headers))
    }
}
