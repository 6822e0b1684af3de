import Glibc

/// Where the HTTP port listens.
public struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// An IPv4 or IPv6 address.
    public let host: String
    /// The port; 0: any that is free.
    public let port: UInt16

    /// - Parameter text: `127.0.0.1:8300`, `[::1]:8300`, `localhost:8300`, or `:8300` for every address of the machine;
    ///   nil where it is none of these.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard host.contains(":") else { return nil }
        } else if host.contains(":") {
            return nil
        }
        if host == "localhost" { host = "127.0.0.1" }
        if host.isEmpty || host == "*" { host = "::" }
        self.init(host: host, port: port)
    }

    init?(host: String, port: UInt16) {
        guard Self.isAddress(host) else { return nil }
        (self.host, self.port) = (host, port)
    }

    /// Whether only programs of this machine reach it.
    public var isLoopback: Bool { host == "::1" || host.hasPrefix("127.") }

    public var description: String { isVersion6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    var isVersion6: Bool { host.contains(":") }

    /// Whether `text` is an IP address.
    static func isAddress(_ text: String) -> Bool {
        var bytes = in6_addr()
        return inet_pton(text.contains(":") ? AF_INET6 : AF_INET, text, &bytes) == 1
    }
}
