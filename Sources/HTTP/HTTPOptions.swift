/// How a client behaves.
public struct HTTPOptions: Sendable {
    /// From the start of a connection until it is secured.
    public var connectTimeout: Duration = .seconds(10)
    /// A transfer in which nothing moves for so long is ended; a reader that rests is no stall. To the second.
    public var stallTimeout: Duration = .seconds(30)
    /// How many connections to one host are open at once; further requests wait: for their own timeout, and where no other
    /// request to the host begins meanwhile, for the two timeouts above together.
    public var connectionsPerHost = 64
    /// How many to all hosts together.
    public var connections = 256
    /// A proxy's URL; nil: what the environment says (`https_proxy`, `no_proxy`…).
    public var proxy: String?
    /// A file of certificates (PEM) to trust instead of the system's.
    public var certificateAuthorities: String?
    /// How many bytes of a response may wait for their reader.
    public var bufferSize = 1 << 20
    /// What the client calls itself.
    public var userAgent = "nats-storage"

    /// The defaults.
    public init() {}
}
