import HTTP
import Storage

/// A request to the bucket or to one of its objects, before it is signed.
struct S3Request: Sendable {
    /// What is sent; it can be sent again.
    enum Body: Sendable {
        case none
        case bytes([UInt8], digest: Digest?)
        /// A stream that `open` begins anew for each attempt.
        case stream(size: Int, digest: Digest, open: @Sendable () -> HTTPBody.Pull)
    }

    var method: HTTPRequest.Method
    /// The key with the configured prefix; nil: the bucket.
    var key: String?
    var query: [(String, String)] = []
    /// Names in lower case.
    var headers: [(String, String)] = []
    var body = Body.none
    /// From start to end, for answers that are short.
    var timeout: Duration?

    init(_ method: HTTPRequest.Method, _ key: String? = nil, query: [(String, String)] = []) {
        self.method = method
        self.key = key
        self.query = query
    }
}

/// An answer of success.
struct S3Response: Sendable {
    let status: Int
    let headers: HTTPHeaders
    let body: HTTPResponseBody

    /// The server's clock.
    var date: String? { headers["Date"] }

    /// The ETag without its quotes.
    var etag: String? { headers["ETag"].map(ETag.bare) }
}

/// Entity tags: bare in versions, quoted on the wire.
enum ETag {
    static func bare(_ text: String) -> String {
        let quote = UInt8(ascii: "\"")
        let strong = text.utf8.starts(with: "W/".utf8) ? text.utf8.dropFirst(2) : text.utf8[...]
        let isQuoted = strong.count >= 2 && strong.first == quote && strong.last == quote
        return String(Substring(isQuoted ? strong.dropFirst().dropLast() : strong))
    }

    static func quoted(_ tag: String) -> String { "\"\(tag)\"" }
}
