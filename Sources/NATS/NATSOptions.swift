public import Logging

/// How to connect.
public struct NATSOptions: Sendable {
    /// Who the client is.
    public enum Credentials: Sendable {
        /// Nobody in particular.
        case none
        /// A user by name, and its password.
        case userPassword(String, String)
        /// Whoever knows the token.
        case token(String)
        /// A file that holds a user NKey seed (`SU…`).
        case nkey(seedFile: String)
        /// A credentials file with a JWT and a seed.
        case credentialsFile(String)
    }

    /// How to secure the connection.
    public struct TLS: Sendable {
        /// A file of trusted certificates; nil: the system's.
        public var ca: String?
        /// The client certificate's file.
        public var certificate: String?
        /// Its key's file.
        public var key: String?
        /// Whether any server certificate is taken. For tests only.
        public var skipVerification = false

        /// The system's trusted certificates, no client certificate.
        public init() {}
    }

    /// The servers to try.
    public var urls: [String] = ["nats://127.0.0.1:4222"]
    /// The client's name, as the server's monitoring shows it.
    public var name = ""
    /// Who the client is.
    public var credentials: Credentials = .none
    /// What the subjects of replies begin with: what this user may subscribe to beneath it, and nobody else.
    public var inboxPrefix = "_INBOX"
    /// TLS; nil: only where the URL's scheme or the server asks for it.
    public var tls: TLS?
    /// How long one server may take to answer.
    public var connectTimeout: Duration = .seconds(5)
    /// The pause between attempts to reconnect.
    public var reconnectWait: Duration = .milliseconds(500)
    /// How many attempts there are for each server; -1: for ever.
    public var maxReconnects = -1
    /// Whether it is for large payloads: each is written by itself, without a copy. Otherwise what is published at once
    /// goes out together.
    public var isBulk = false
    /// How long a write to a stalled server may take.
    public var writeDeadline: Duration = .seconds(2)
    /// How often the connection is checked.
    public var pingInterval: Duration = .seconds(20)
    /// How many requests may wait for replies at once.
    public var maxPendingRequests = 65_536
    /// Where connection events are told.
    public var logger: Logger?

    /// A connection to a server on this machine.
    public init() {}
}
