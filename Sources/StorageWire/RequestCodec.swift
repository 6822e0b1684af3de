import Encodings
import FoundationEssentials
package import Storage

/// What request headers say, both ways.
package enum RequestCodec {
    /// The options of a put or upload.
    ///
    /// - Throws: `invalid` that names the header.
    package static func putOptions(in headers: WireHeaders) throws(StorageError) -> PutOptions {
        try checkLines(headers)
        var options = PutOptions(attributes: try ObjectHeaders.attributes(in: headers))
        options.precondition = try precondition(in: headers)
        options.timeToLive = try timeToLive(in: headers)
        options.messageID = try messageID(in: headers)
        if let text = headers.first(WireHeader.digest) {
            guard let digest = Digest(text) else {
                throw StorageError(.invalid, "\(WireHeader.digest) “\(text.abbreviated)” is not SHA-256=<base64url>")
            }
            options.expectedDigest = digest
        }
        return options
    }

    /// What is kept with the object has to fit a header again.
    private static func checkLines(_ headers: WireHeaders) throws(StorageError) {
        for name in [WireHeader.contentType, WireHeader.contentEncoding] {
            guard let value = headers.first(name), value.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f })
            else { continue }
            throw StorageError(.invalid, "\(name) “\(ErrorCodec.oneLine(value).abbreviated)” holds control characters")
        }
    }

    /// Stores keep ids beside other headers, for which there is room for 64 KiB.
    private static func messageID(in headers: WireHeaders) throws(StorageError) -> String? {
        guard let id = headers.first(WireHeader.messageID) else { return nil }
        guard id.utf8.count <= maximumMessageID else {
            throw StorageError(.invalid, "\(WireHeader.messageID) is longer than \(maximumMessageID) bytes")
        }
        return id
    }

    private static let maximumMessageID = 4096

    package static func precondition(in headers: WireHeaders) throws(StorageError) -> Precondition {
        let version = headers.first(WireHeader.ifMatch)
        guard let none = headers.first(WireHeader.ifNoneMatch) else {
            return version.map { .matches(Version($0)) } ?? .none
        }
        guard none == "*" else {
            throw StorageError(.invalid, "\(WireHeader.ifNoneMatch) takes only “*”, not “\(none.abbreviated)”")
        }
        guard version == nil else {
            throw StorageError(.invalid, "\(WireHeader.ifNoneMatch) and \(WireHeader.ifMatch) exclude one another")
        }
        return .absent
    }

    /// The headers that say `options`.
    package static func headers(for options: PutOptions) -> WireHeaders {
        var headers = ObjectHeaders.encode(options.attributes) + Self.headers(for: options.precondition)
        if let ttl = options.timeToLive { headers.append((WireHeader.timeToLive, String(ttl.seconds))) }
        if let id = options.messageID { headers.append((WireHeader.messageID, id)) }
        if let digest = options.expectedDigest { headers.append((WireHeader.digest, digest.description)) }
        return headers
    }

    package static func headers(for precondition: Precondition) -> WireHeaders {
        switch precondition {
        case .none: []
        case .absent: [(WireHeader.ifNoneMatch, "*")]
        case .matches(let version): [(WireHeader.ifMatch, version.description)]
        }
    }

    private static func timeToLive(in headers: WireHeaders) throws(StorageError) -> Duration? {
        guard let text = headers.first(WireHeader.timeToLive) else { return nil }
        // A hundred years: what is longer is a mistake, and dates stay in range.
        guard isDecimal(text), let seconds = Double(text), seconds > 0, seconds <= 3_155_760_000 else {
            throw StorageError(
                .invalid, "\(WireHeader.timeToLive) “\(text.abbreviated)” is not a positive number of seconds")
        }
        return .milliseconds(Int64((seconds * 1000).rounded(.up)))
    }

    /// Unlike what else numbers are parsed from: hexadecimal ones, infinities.
    private static func isDecimal(_ text: String) -> Bool {
        text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"),
                UInt8(ascii: "+"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }

    /// How long the caller waits.
    package static func timeout(in headers: WireHeaders) throws(StorageError) -> Duration? {
        guard let text = headers.first(WireHeader.timeout) else { return nil }
        guard let milliseconds = Int64(text), milliseconds > 0, milliseconds <= 86_400_000 else {
            throw StorageError(.invalid, "\(WireHeader.timeout) “\(text.abbreviated)” is not 1…86400000 milliseconds")
        }
        return .milliseconds(milliseconds)
    }

    /// The key that a request names, in its header or as its payload.
    package static func key(in headers: WireHeaders, payload: [UInt8]) throws(StorageError) -> ObjectKey {
        if let key = try key(in: headers) { return key }
        return try ObjectKey(validating: payload)
    }

    /// The key that headers name, if they do.
    package static func key(in headers: WireHeaders) throws(StorageError) -> ObjectKey? {
        if let text = headers.first(WireHeader.key) { return try ObjectKey(validating: text) }
        guard let text = headers.first(WireHeader.encodedKey) else { return nil }
        guard let bytes = Base64URL.decode(text) else {
            throw StorageError(.invalid, "\(WireHeader.encodedKey) “\(text.abbreviated)” is not base64url")
        }
        return try ObjectKey(validating: bytes)
    }

    /// The header that names `key`.
    package static func header(for key: ObjectKey) -> (name: String, value: String) {
        let space = UInt8(ascii: " ")
        guard key.rawValue.utf8.first == space || key.rawValue.utf8.last == space else {
            return (WireHeader.key, key.rawValue)
        }
        return (WireHeader.encodedKey, Base64URL.encode(Array(key.rawValue.utf8)))
    }
}

/// A list query as JSON.
package struct WireListQuery: Codable, Sendable {
    package var prefix: String?
    package var pattern: String?
    package var delimiter: String?
    package var start_after: String?
    package var limit: Int?
    package var details: Bool?

    package init(_ query: ListQuery) {
        prefix = query.prefix.isEmpty ? nil : query.prefix
        pattern = query.pattern?.rawValue
        delimiter = query.delimiter
        start_after = query.startAfter
        limit = query.limit
        details = query.details
    }

    package func query() throws(StorageError) -> ListQuery {
        var query = ListQuery(prefix: prefix ?? "", delimiter: delimiter, startAfter: start_after)
        if let pattern { query.pattern = try KeyPattern(validating: pattern) }
        query.limit = limit ?? query.limit
        query.details = details ?? false
        try query.validate()
        return query
    }

    /// From a request's payload: empty, a prefix, or a JSON query.
    package static func query(in payload: [UInt8]) throws(StorageError) -> ListQuery {
        if payload.first == UInt8(ascii: "{") {
            return try JSON.decode(WireListQuery.self, from: payload, what: "list query").query()
        }
        guard let prefix = String(validating: payload, as: UTF8.self) else {
            throw StorageError(.invalid, "the prefix is not valid UTF-8")
        }
        return ListQuery(prefix: prefix)
    }
}

/// A page of a listing as JSON.
package struct WireListPage: Codable, Sendable {
    package var keys: [String]
    package var prefixes: [String]?
    package var objects: [WireInfo]?
    package var next: String?

    package init(_ page: ListPage, delimited: Bool) {
        keys = page.keys.map(\.rawValue)
        prefixes = delimited ? page.prefixes : nil
        objects = page.objects?.map { WireInfo($0) }
        next = page.next
    }

    package func page() throws(StorageError) -> ListPage {
        var page = ListPage(prefixes: prefixes ?? [], next: next)
        for key in keys { page.keys.append(try ObjectKey(validating: key)) }
        if let objects {
            var infos: [ObjectInfo] = []
            for object in objects { infos.append(try object.info()) }
            page.objects = infos
        }
        return page
    }
}

/// The answer to a delete.
package struct WireDeleted: Codable, Sendable {
    package var key: String
    package var deleted: Bool

    package init(key: String, deleted: Bool) {
        self.key = key
        self.deleted = deleted
    }
}

/// The answer to the opening of an upload.
package struct WireUpload: Codable, Sendable {
    package var upload: String
    package var part_subject: String
    package var max_part_size: Int
    package var window: Int
    package var idle_seconds: Int

    package init(upload: String, partSubject: String, maxPartSize: Int, window: Int, idleSeconds: Int) {
        self.upload = upload
        part_subject = partSubject
        max_part_size = maxPartSize
        self.window = window
        idle_seconds = idleSeconds
    }
}

/// The answer to a part.
package struct WirePart: Codable, Sendable {
    package var part: Int

    package init(part: Int) {
        self.part = part
    }
}
