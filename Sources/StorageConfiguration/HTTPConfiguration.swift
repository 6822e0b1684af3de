import HTTP

extension HTTPOptions {
    /// The keys that all stores behind HTTP have.
    init(_ fields: [String: ConfigurationNode]) throws {
        self.init()
        connectTimeout = try fields["connect_timeout"]?.duration() ?? connectTimeout
        stallTimeout = try fields["stall_timeout"]?.duration() ?? stallTimeout
        connectionsPerHost = try fields["max_connections"]?.integer(in: 1...4096) ?? connectionsPerHost
        connections = max(connections, connectionsPerHost)
        proxy = try fields["proxy"]?.secret()
        certificateAuthorities = try fields["ca"]?.string()
    }
}

extension ConfigurationNode {
    /// Text; nil where it is empty, as a variable that is not set leaves it.
    func text() throws -> String? {
        let text = try string()
        return text.isEmpty ? nil : text
    }
}
