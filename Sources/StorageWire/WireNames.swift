/// The headers of the wire contract; names and values are case-sensitive.
package enum WireHeader {
    package static let key = "Storage-Key"
    /// The key in base64url, in place of `Storage-Key`: where white space around it would be dropped.
    package static let encodedKey = "Storage-Key-Base64"
    package static let ifNoneMatch = "Storage-If-None-Match"
    package static let ifMatch = "Storage-If-Match"
    package static let range = "Storage-Range"
    package static let timeToLive = "Storage-TTL"
    package static let metadataPrefix = "Storage-Meta-"
    /// What `Storage-Meta-<Name>` can't carry (an empty value, a line break, a name with a space), as JSON
    /// `{"name":["value"]}`.
    package static let metadata = "Storage-Metadata"
    package static let timeout = "Storage-Timeout"
    package static let digest = "Storage-Digest"
    package static let size = "Storage-Size"
    package static let version = "Storage-Version"
    package static let modified = "Storage-Modified"
    package static let expires = "Storage-Expires"
    package static let contentRange = "Storage-Content-Range"
    package static let retryAfter = "Storage-Retry-After"
    package static let part = "Storage-Part"
    package static let commit = "Storage-Commit"
    package static let abort = "Storage-Abort"
    package static let contentType = "Content-Type"
    package static let contentEncoding = "Content-Encoding"
    package static let messageID = "Nats-Msg-Id"
    package static let traceParent = "traceparent"
    package static let traceState = "tracestate"
    /// On a dead letter: why it is one, and where the message came from.
    package static let deadCode = "Storage-Error-Code"
    package static let deadReason = "Storage-Error"
    package static let deadSubject = "Storage-Subject"
    package static let deadStream = "Storage-Stream"
    package static let deadSequence = "Storage-Sequence"
    package static let deadDeliveries = "Storage-Deliveries"
    /// On a dead letter whose payload did not fit beside these headers.
    package static let deadOmitted = "Storage-Payload-Omitted"
    package static let errorCode = "Nats-Service-Error-Code"
    package static let error = "Nats-Service-Error"
}

/// An instance's ports.
package enum Port: String, Sendable, CaseIterable {
    case put, get, info, list, delete, upload, api, write, events, stored

    /// The ports that answer requests.
    package static let requests: [Port] = [.put, .get, .info, .list, .delete, .upload, .api]

    /// The subject unless configured otherwise.
    package func defaultSubject(instance: String) -> String { "storage.\(instance).\(rawValue)" }
}

/// Headers as they come and go, in order.
package typealias WireHeaders = [(name: String, value: String)]

extension WireHeaders {
    /// The first value of the header `name`.
    package func first(_ name: String) -> String? {
        first { $0.name == name }?.value
    }

    /// About what they take of a message: each line has a name, a value and four more bytes.
    package var size: Int { reduce(16) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 } }
}
