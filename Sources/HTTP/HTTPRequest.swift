/// A request, ready to be sent as it stands: nothing is encoded, added or followed.
public struct HTTPRequest: Sendable {
    /// The method; one that ends in no body on the server's side has ``HTTPBody/none``.
    public enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case put = "PUT"
        case post = "POST"
        case delete = "DELETE"
        case patch = "PATCH"
    }

    /// What is asked for.
    public var method: Method
    /// `http` or `https`, percent-encoded as it shall be on the wire.
    public var url: String
    /// Header fields; `Host` and `Content-Length` are made from URL and body.
    public var headers: HTTPHeaders
    /// What is sent.
    public var body: HTTPBody
    /// From start to end, the response's body included; time in which its reader rests counts too. Nil: unbounded,
    /// save that a stall ends it.
    public var timeout: Duration?
    /// Whether to send the body only when the server agrees, or says nothing for a second: a refusal then costs no
    /// upload.
    public var expectsContinue = false
    /// Whether a proxy may be used: no for addresses that only this machine knows.
    public var usesProxy = true

    /// A request of these parts.
    public init(
        _ method: Method, _ url: String, headers: HTTPHeaders = [:], body: HTTPBody = .none, timeout: Duration? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
    }

    /// Method, scheme, host and path; never the query, which may hold a signature.
    var summary: String {
        "\(method.rawValue) \(url.prefix { $0 != "?" })"
    }

    /// Scheme, host and port, which share connections.
    var origin: String {
        let host = url.utf8.drop { $0 != UInt8(ascii: "/") }.dropFirst(2)
        return String(url[..<(host.firstIndex { "/?#".utf8.contains($0) } ?? url.endIndex)])
    }

    func validate() throws(HTTPError) {
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), url.hasPrefix("http://") || url.hasPrefix("https://")
        else { throw HTTPError(.invalidRequest, .never, "\(summary): not an encoded http or https URL") }
        try headers.validate()
    }
}

/// What a request sends.
public enum HTTPBody: Sendable {
    /// Gives the next chunk, or nil after the last. Called by one task, never again after nil or an error.
    public typealias Pull = @Sendable () async throws -> [UInt8]?

    /// No body, and no word of its length.
    case none
    /// Bytes at hand.
    case bytes([UInt8])
    /// A stream that is pulled as the server takes it; without a size it goes out in chunked encoding.
    case stream(size: Int?, pull: Pull)
}
