import CNATS

/// Why an operation on a NATS connection failed.
public struct NATSError: Error, Sendable, CustomStringConvertible {
    /// What went wrong.
    public enum Code: Sendable, Hashable {
        /// A malformed subject, header or option: nothing was sent.
        case invalidArgument
        /// No server could be reached.
        case connectionFailed
        /// The connection was closed, here or for good.
        case connectionClosed
        /// The connection is away and its buffer is full, or the write did not get through.
        case disconnected
        /// The server refused the credentials.
        case authorization
        /// TLS could not be agreed on: a certificate that is not trusted, for another name, or missing.
        case tls
        /// The server forbids publishing or subscribing to the subject.
        case permission
        /// Nothing came in time.
        case timeout
        /// Nobody listens on the subject.
        case noResponders
        /// The calling task was cancelled.
        case cancelled
        /// The payload is over the server's limit: nothing was sent.
        case maxPayload
        /// A subscription's own queue overflowed.
        case slowConsumer
        /// The peer said something that makes no sense.
        case protocolViolation
        /// Anything else that the library reports.
        case internalError
        /// A status message instead of data: 404, 408, 409…
        case status(Int)
        /// JetStream refused a request.
        case api(code: Int, errorCode: Int)
    }

    /// What went wrong.
    public var code: Code
    /// A sentence that names the subject or stream.
    public var message: String

    /// An error of these parts.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }

    /// Whether the same operation may succeed later.
    public var isTransient: Bool {
        switch code {
        case .connectionFailed, .disconnected, .timeout, .noResponders, .slowConsumer, .cancelled: true
        case .status(let status): status == 408 || status >= 500
        case .api(let code, _): code == 429 || code == 408 || code >= 500
        default: false
        }
    }

    /// Whether it proves that the message which it is about reached no stream.
    public var isUnstored: Bool {
        switch code {
        case .invalidArgument, .maxPayload, .noResponders: true
        default: false
        }
    }

    /// The error that a library call's status stands for; nil for success.
    init?(_ status: natsStatus, _ action: @autoclosure () -> String) {
        guard status != NATS_OK else { return nil }
        let code: Code =
            switch status {
            case NATS_NO_SERVER, NATS_ADDRESS_MISSING: .connectionFailed
            case NATS_CONNECTION_CLOSED, NATS_DRAINING: .connectionClosed
            case NATS_CONNECTION_DISCONNECTED, NATS_INSUFFICIENT_BUFFER, NATS_IO_ERROR, NATS_STALE_CONNECTION:
                .disconnected
            case NATS_CONNECTION_AUTH_FAILED: .authorization
            case NATS_SSL_ERROR, NATS_SECURE_CONNECTION_REQUIRED, NATS_SECURE_CONNECTION_WANTED: .tls
            case NATS_NOT_PERMITTED: .permission
            case NATS_TIMEOUT: .timeout
            case NATS_NO_RESPONDERS: .noResponders
            case NATS_MAX_PAYLOAD: .maxPayload
            case NATS_INVALID_ARG, NATS_INVALID_SUBJECT: .invalidArgument
            case NATS_PROTOCOL_ERROR, NATS_LINE_TOO_LONG: .protocolViolation
            default: .internalError
            }
        var message = action() + ": " + String(cString: natsStatus_GetText(status))
        // What OpenSSL said, which alone tells what is wrong. The text is this thread's, of this very call.
        if status == NATS_SSL_ERROR, let detail = nats_GetLastError(nil) { message += ": " + String(cString: detail) }
        self.init(code, message)
    }
}

/// Runs a library call and throws what its status stands for.
func check(_ status: natsStatus, _ action: @autoclosure () -> String) throws(NATSError) {
    if let error = NATSError(status, action()) { throw error }
}
