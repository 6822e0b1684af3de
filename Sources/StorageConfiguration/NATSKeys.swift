import NATS

/// The keys of `nats`.
struct NATSKeys: Sendable {
    private var options = NATSOptions()
    /// Which keys say who the client is.
    private var identities: Set<String> = []
    private var user: String?
    private var password: String?

    static let section = Section<NATSKeys>(
        "How to reach NATS.",
        [
            Setting(
                "url", .list(.url), "A server's URL, or several of one cluster.",
                initial: { $0.options.urls.joined(separator: ", ") }
            ) {
                $1.options.urls = try $0.elements().flatMap { try $0.serverURLs() }
            },
            identity("credentials", .text, "A credentials file.") { .credentialsFile(try $0.string()) },
            identity("nkey", .text, "A file that holds an nkey's seed.") { .nkey(seedFile: try $0.string()) },
            identity("token", .secret, "A token.") { .token(try $0.secret()) },
            Setting("user", .text, "A user's name.") { node, keys in
                keys.user = try node.text()
                if keys.user != nil { keys.identities.insert("user") }
            },
            .secret("password", \.password, "The user's password."),
            Setting(
                "inbox_prefix", .text, "What the subjects of replies begin with.",
                initial: { $0.options.inboxPrefix }
            ) {
                $1.options.inboxPrefix = try $0.subject()
            },
            Setting("tls", .section(tls.description(NATSOptions.TLS())), "Files for TLS.") { node, keys in
                var files = NATSOptions.TLS()
                try tls.read(node, into: &files)
                guard (files.certificate == nil) == (files.key == nil) else {
                    throw node.failure("certificate and key belong together: one of them is missing")
                }
                keys.options.tls = files
            },
        ])

    private static let tls = Section<NATSOptions.TLS>(
        "Files for TLS.",
        [
            .text("ca", \.ca, "The authorities that the server's certificate may be of."),
            .text("certificate", \.certificate, "The client's certificate."),
            .text("key", \.key, "The certificate's key."),
        ])

    private static func identity(
        _ name: String, _ shape: Shape, _ summary: String,
        _ credentials: @escaping @Sendable (ConfigurationNode) throws -> NATSOptions.Credentials
    ) -> Setting<NATSKeys> {
        Setting(name, shape, summary) { node, keys in
            keys.options.credentials = try credentials(node)
            keys.identities.insert(name)
        }
    }

    /// What the keys say together.
    ///
    /// - Throws: where they name no user, or more than one.
    func natsOptions(_ node: ConfigurationNode) throws -> NATSOptions {
        guard identities.count <= 1 else {
            throw node.failure("\(identities.sorted().joined(separator: " and ")) exclude one another")
        }
        guard (user == nil) == (password == nil) else { throw node.failure("user and password belong together") }
        var options = options
        if let user { options.credentials = .userPassword(user, password ?? "") }
        return options
    }
}
