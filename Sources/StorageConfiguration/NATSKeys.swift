import NATS

/// The keys of `nats`.
struct NATSKeys: Sendable {
    private var options = NATSOptions()
    private var user: String?
    private var password: String?

    static let section = Section<NATSKeys>(
        "How to reach NATS.",
        [
            Setting(
                "url", .list(.text), "A server's URL, or several of one cluster.",
                initial: { $0.options.urls.joined(separator: ", ") }
            ) {
                $1.options.urls = try $0.elements().map { try $0.string() }
            },
            Setting("credentials", .text, "A credentials file.") {
                $1.options.credentials = .credentialsFile(try $0.string())
            },
            Setting("nkey", .text, "A file that holds an nkey's seed.") {
                $1.options.credentials = .nkey(seedFile: try $0.string())
            },
            .text("user", \.user, "A user's name."),
            .secret("password", \.password, "The user's password."),
            Setting("token", .secret, "A token.") { $1.options.credentials = .token(try $0.secret()) },
            Setting("tls", .section(tls.description(NATSOptions.TLS())), "Files for TLS.") { node, keys in
                var files = NATSOptions.TLS()
                try tls.read(node, into: &files)
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

    /// What the keys say together.
    var natsOptions: NATSOptions {
        var options = options
        if let user { options.credentials = .userPassword(user, password ?? "") }
        return options
    }
}
