import CCurl

/// Why there is no response, or not the whole of it.
public struct HTTPError: Error, Sendable, CustomStringConvertible {
    /// What went wrong.
    public enum Reason: Sendable, Hashable {
        /// The request can't be sent as it stands.
        case invalidRequest
        /// No connection: the name is unknown, nobody listens, the proxy refused.
        case unreachable
        /// The connection could not be secured, or the peer is not who it should be.
        case tls
        /// No connection in time, a stall, or over the request's own limit.
        case timeout
        /// The connection ended in the middle, or what came is not HTTP.
        case broken
        /// More came than the caller takes.
        case tooLarge
        /// The request's body threw, or had another size than announced.
        case body
        /// The calling task was cancelled.
        case cancelled
        /// The client was shut down.
        case closed
    }

    /// The one question that a caller has: what happens if the request is sent once more?
    public enum Retry: Sendable, Hashable {
        /// It would fail in the same way.
        case never
        /// Nothing of it reached the server: no request can happen twice.
        case safe
        /// The server may have acted on it: only for a request that may happen twice.
        case ifIdempotent
    }

    /// What went wrong.
    public var reason: Reason
    /// Whether it may be sent again.
    public var retry: Retry
    /// A sentence with method and URL, never its query.
    public var message: String
    /// What the request's body threw.
    public var cause: (any Error)?

    /// An error of these parts.
    public init(_ reason: Reason, _ retry: Retry, _ message: String, cause: (any Error)? = nil) {
        self.reason = reason
        self.retry = retry
        self.message = message
        self.cause = cause
    }

    /// The message.
    public var description: String { message }

    static func cancelled(_ request: HTTPRequest) -> HTTPError {
        HTTPError(.cancelled, .never, "\(request.summary) was cancelled")
    }

    static func closed(_ request: HTTPRequest) -> HTTPError {
        HTTPError(.closed, .never, "\(request.summary): the client was shut down")
    }

    static func noConnection(_ request: HTTPRequest) -> HTTPError {
        HTTPError(.timeout, .safe, "\(request.summary): waited too long for a connection")
    }

    /// What libcurl's result of a transfer stands for.
    ///
    /// - Parameters:
    ///   - wasSent: whether any byte of the request left.
    ///   - detail: the library's own sentence, where it has one.
    init(_ code: CURLcode, _ request: HTTPRequest, wasSent: Bool, detail: String) {
        let reason = Self.reason(of: code)
        let retry: Retry =
            switch reason {
            case .invalidRequest: .never
            case .tls where code == CURLE_PEER_FAILED_VERIFICATION || !wasSent && code != CURLE_SSL_CONNECT_ERROR:
                .never
            default: wasSent ? .ifIdempotent : .safe
            }
        let text = detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
        self.init(reason, retry, "\(request.summary): \(text)")
    }

    private static func reason(of code: CURLcode) -> Reason {
        switch code {
        case CURLE_URL_MALFORMAT, CURLE_BAD_FUNCTION_ARGUMENT: .invalidRequest
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_PROXY: .unreachable
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR:
            .tls
        case CURLE_OPERATION_TIMEDOUT: .timeout
        default: .broken
        }
    }
}
