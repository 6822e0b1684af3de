import FoundationEssentials
import NATS
import Storage
import StorageWire

/// A message on a port.
struct Request: Sendable {
    let subject: String
    let headers: WireHeaders
    var payload: [UInt8]
    let received = Date.now
    private let isMalformed: Bool

    init(subject: String, headers: NATSHeaders, payload: [UInt8]) {
        self.subject = subject
        self.headers = headers.fields
        self.payload = payload
        isMalformed = headers.isMalformed
    }

    init(_ message: NATSMessage) {
        self.init(subject: message.subject, headers: message.headers, payload: message.payload)
    }

    /// Throws `invalid` where a header was lost, which may have been a condition.
    func validate() throws(StorageError) {
        guard isMalformed else { return }
        throw StorageError(.invalid, "a header line is not “Name: value” in UTF-8")
    }

    /// As a plugin sees it.
    var message: Message {
        Message(subject: subject, headers: headers, payload: payload, timestamp: received)
    }

    func key() throws(StorageError) -> ObjectKey {
        try RequestCodec.key(in: headers, payload: payload)
    }

    var ifMatch: Version? { headers.first(WireHeader.ifMatch).map { Version($0) } }
}

/// What answers a request.
struct Reply: Sendable {
    var headers: WireHeaders = []
    var payload: [UInt8]
    /// Where it tells of an error.
    private(set) var code: StorageError.Kind?
    /// What was done, where only the request's payload says it.
    var operation: String?

    init(headers: WireHeaders = [], payload: [UInt8]) {
        self.headers = headers
        self.payload = payload
    }

    init(json: some Encodable) {
        payload = JSON.encode(json)
    }

    init(_ error: StorageError) {
        (headers, payload) = ErrorCodec.encode(error)
        code = error.kind
    }

    /// About what it takes of a message: each header line has a name, a value and four more bytes.
    var size: Int { payload.count + headerSize }

    var headerSize: Int { headers.reduce(16) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 } }
}

/// One request port: a request in, one call on the store, a reply out.
protocol Endpoint: Sendable {
    func answer(_ request: Request) async throws(StorageError) -> Reply

    /// What metrics call the work on a request, a word of few; nil: as the port.
    func operation(_ request: Request) -> String?
}

extension Endpoint {
    func operation(_ request: Request) -> String? { nil }
}
