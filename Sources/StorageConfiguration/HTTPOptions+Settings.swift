import HTTP

extension HTTPOptions {
    /// The keys that all stores behind HTTP have.
    static let settings: [Setting<HTTPOptions>] = [
        .duration("connect_timeout", \.connectTimeout, "How long a connection may take to be made."),
        .duration("stall_timeout", \.stallTimeout, "How long a transfer may stand still."),
        Setting(
            "max_connections", .integer(1...4096), "The most connections to one host.",
            initial: { String($0.connectionsPerHost) }
        ) { node, options in
            options.connectionsPerHost = try node.integer(in: 1...4096)
            options.connections = max(options.connections, options.connectionsPerHost)
        },
        .secret("proxy", \.proxy, "A proxy's URL."),
        .text("ca", \.certificateAuthorities, "A file of certificate authorities, in place of the system's."),
    ]
}
