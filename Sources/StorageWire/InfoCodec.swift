package import FoundationEssentials
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
        modified = WireTime.format(info.modified)
        expires = info.expires.map(WireTime.format)
        content_type = info.attributes.contentType
        content_encoding = info.attributes.contentEncoding
        metadata = info.attributes.metadata
    }

    /// - Throws: `internal` where the component's answer makes no sense.
    package func info() throws(StorageError) -> ObjectInfo {
        guard let key = ObjectKey(key), let modified = WireTime.parse(modified), size >= 0 else {
            throw StorageError(.internal, "the component's object info makes no sense")
        }
        return ObjectInfo(
            key: key, size: size, version: Version(version), digest: digest.flatMap { Digest($0) }, modified: modified,
            expires: expires.flatMap(WireTime.parse),
            attributes: ObjectAttributes(
                contentType: content_type, contentEncoding: content_encoding, metadata: metadata))
    }
}

/// Times over the wire: RFC 3339 in UTC.
package enum WireTime {
    private static let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    package static func format(_ time: Date) -> String { time.formatted(style) }

    package static func parse(_ text: String) -> Date? { try? style.parse(text) }
}

/// The headers that carry an object's info beside its bytes.
package enum ObjectHeaders {
    package static func encode(_ info: ObjectInfo, range: Range<Int>?) -> WireHeaders {
        var headers: WireHeaders = [
            (WireHeader.key, info.key.rawValue), (WireHeader.size, String(info.size)),
            (WireHeader.version, info.version.description), (WireHeader.modified, WireTime.format(info.modified)),
        ]
        if let digest = info.digest { headers.append((WireHeader.digest, digest.description)) }
        if let expires = info.expires { headers.append((WireHeader.expires, WireTime.format(expires))) }
        if let range {
            let last = max(range.lowerBound, range.upperBound - 1)
            headers.append((WireHeader.contentRange, "bytes \(range.lowerBound)-\(last)/\(info.size)"))
        }
        return headers + encode(info.attributes)
    }

    /// Attributes as headers; what NATS can't carry in one is left out, the info has it.
    package static func encode(_ attributes: ObjectAttributes) -> WireHeaders {
        var headers: WireHeaders = []
        if let type = attributes.contentType { headers.append((WireHeader.contentType, type)) }
        if let encoding = attributes.contentEncoding { headers.append((WireHeader.contentEncoding, encoding)) }
        for (name, values) in attributes.metadata.sorted(by: { $0.key < $1.key }) {
            headers += values.map { (WireHeader.metadataPrefix + name, $0) }
        }
        return headers.filter { isSendable($0.name, $0.value) }
    }

    private static func isSendable(_ name: String, _ value: String) -> Bool {
        // Some clients' parsers lose the headers after an empty value.
        !name.isEmpty && !value.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }
            && value.utf8.allSatisfy { $0 != 0x0d && $0 != 0x0a && $0 != 0 }
    }

    package static func attributes(in headers: WireHeaders) -> ObjectAttributes {
        var attributes = ObjectAttributes(
            contentType: headers.first(WireHeader.contentType),
            contentEncoding: headers.first(WireHeader.contentEncoding))
        for (name, value) in headers
        where name.hasPrefix(WireHeader.metadataPrefix) && name.utf8.count > WireHeader.metadataPrefix.utf8.count {
            attributes.metadata[String(name.dropFirst(WireHeader.metadataPrefix.count)), default: []].append(value)
        }
        return attributes
    }

    /// The info that a get's reply carries.
    package static func info(in headers: WireHeaders) throws(StorageError) -> ObjectInfo {
        guard let key = headers.first(WireHeader.key).flatMap({ ObjectKey($0) }),
            let size = headers.first(WireHeader.size).flatMap({ Int($0) }), size >= 0,
            let version = headers.first(WireHeader.version),
            let modified = headers.first(WireHeader.modified).flatMap(WireTime.parse)
        else { throw StorageError(.internal, "the component's reply lacks the object's info") }
        return ObjectInfo(
            key: key, size: size, version: Version(version),
            digest: headers.first(WireHeader.digest).flatMap { Digest($0) }, modified: modified,
            expires: headers.first(WireHeader.expires).flatMap(WireTime.parse), attributes: attributes(in: headers))
    }
}
