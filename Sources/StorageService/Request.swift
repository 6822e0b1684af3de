import FoundationEssentials
import NATS
import Storage
import StorageWire

/// A message on a port.
struct Request: Sendable {
    let subject: String
    let headers: WireHeaders
    var payload: [UInt8]
    /// When it came, or was stored in its stream.
    let received: Date
    private let isMalformed: Bool

    init(subject: String, headers: NATSHeaders, payload: [UInt8], received: Date = .now) {
        self.subject = subject
        self.headers = headers.fields
        self.payload = payload
        self.received = received
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
    func message(id: String? = nil) -> Message {
        Message(subject: subject, headers: headers, payload: payload, timestamp: received, id: id)
    }

    func key() throws(StorageError) -> ObjectKey {
        try RequestCodec.key(in: headers, payload: payload)
    }

    /// The key as it was given, whether or not it is one.
    var givenKey: String {
        if let key = try? key() { return key.rawValue }
        let bytes = payload.prefix(ObjectKey.maximumBytes)
        return (headers.first(WireHeader.key) ?? String(decoding: bytes, as: UTF8.self)).abbreviated
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

    /// About what it takes of a message.
    var size: Int { payload.count + headerSize }

    var headerSize: Int { headers.size }
}

/// The work on a request.
typealias Work = @Sendable () async throws(StorageError) -> Reply

/// One request port: a request in, one call on the store, a reply out.
protocol Endpoint: Sendable {
    func answer(_ request: Request) async throws(StorageError) -> Reply

    /// Called in the order in which requests came, on the delivery thread, before the work: takes in what depends on
    /// that order, without waiting.
    func begin(_ request: Request) -> Work

    /// Called when no more requests come: those that wait for one have to end.
    func noMoreCome()

    /// How an error is said to whoever asked.
    func reply(to error: StorageError) -> Reply

    /// The key that an error concerns, where the error itself does not tell.
    func key(of request: Request) -> String?

    /// Whether somebody else reports the error with which `request` ended.
    func isReportedElsewhere(_ error: StorageError, of request: Request) -> Bool

    /// What metrics call the work on a request, a word of few; nil: as the port.
    func operation(_ request: Request) -> String?
}

extension Endpoint {
    func begin(_ request: Request) -> Work {
        { () async throws(StorageError) in try await answer(request) }
    }

    func noMoreCome() {}

    func reply(to error: StorageError) -> Reply { Reply(error) }

    func key(of request: Request) -> String? { request.headers.first(WireHeader.key) }

    func isReportedElsewhere(_ error: StorageError, of request: Request) -> Bool { false }

    func operation(_ request: Request) -> String? { nil }
}
