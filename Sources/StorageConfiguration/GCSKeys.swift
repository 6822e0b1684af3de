import GCSStorage
import HTTP
import Storage

/// The keys of a `gcs` store.
struct GCSKeys: Sendable {
    var bucket = GCSConfiguration(bucket: "")
    private var isAnonymous = false
    private var key: String?
    private var keyFile: String?
    private var creates = false
    private var project: String?

    static let section = Section<GCSKeys>(
        "A bucket of Google Cloud Storage.",
        [
            .text("bucket", \.bucket.bucket, "The bucket.").required,
            .text("prefix", \.bucket.prefix, "What all keys begin with there."),
            Setting(
                "endpoint", .text, "Where the server is, as https://host or https://host:port.",
                initial: { $0.bucket.endpoint }
            ) {
                $1.bucket.endpoint = try $0.text() ?? $1.bucket.endpoint
            },
            .secret(
                "credentials", \.key, "A service account's key, as JSON; without it, as Google's tools find theirs."),
            Setting("credentials_file", .text, "The file of such a key.") { $1.keyFile = try $0.contents() },
            .boolean("anonymous", \.isAnonymous, "Whether nobody is asked who they are."),
            .boolean("create", \.creates, "Whether a missing bucket is made."),
            .text("project", \.project, "The project in which it is made; without it, the key's own."),
            .size("part_size", \.bucket.partSize, in: 256 << 10...1 << 30, "How much is uploaded at a time."),
            .integer("max_attempts", \.bucket.maxAttempts, in: 1...100, "How often a request is tried in all."),
        ] + HTTPOptions.settings.map { $0.within(\.bucket.http) })

    /// What the keys say together.
    func configuration(_ node: ConfigurationNode) throws -> GCSConfiguration {
        var configuration = bucket
        configuration.credentials = try credentials(node)
        if creates { configuration.createInProject = try project(configuration.credentials, node) }
        try node.checked { try configuration.validate() }
        return configuration
    }

    private func credentials(_ node: ConfigurationNode) throws -> GCSConfiguration.Credentials {
        let named = [
            ("credentials", key), ("credentials_file", keyFile), ("anonymous", isAnonymous ? "" : nil),
        ].filter { $0.1 != nil }
        guard named.count < 2 else { throw node.failure("has both \(named[0].0) and \(named[1].0)") }
        guard let (name, json) = named.first, let json else { return .environment }
        if isAnonymous { return .anonymous }
        return .key(try (node.field(name) ?? node).checked { try ServiceAccountKey(json: json) })
    }

    private func project(_ credentials: GCSConfiguration.Credentials, _ node: ConfigurationNode) throws -> String {
        if let project { return project }
        switch credentials {
        case .key(let key):
            if let project = key.project { return project }
        case .anonymous:
            // Emulators take any.
            return "emulated"
        case .environment: break
        }
        throw node.failure("has create, but no project to make the bucket in")
    }
}
