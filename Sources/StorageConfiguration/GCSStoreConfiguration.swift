import GCSStorage
import HTTP
import Storage

/// The keys of a `gcs` store.
struct GCSKeys: Sendable {
    var bucket = GCSConfiguration(bucket: "")
    private var isAnonymous = false
    private var key: String?

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
            .boolean("anonymous", \.isAnonymous, "Whether nobody is asked who they are."),
            .text("create_in_project", \.bucket.createInProject, "The project in which a missing bucket is made."),
            .size("part_size", \.bucket.partSize, in: 256 << 10...1 << 30, "How much is uploaded at a time."),
            .integer("max_attempts", \.bucket.maxAttempts, in: 1...100, "How often a request is tried in all."),
        ] + HTTPOptions.settings.map { $0.within(\.bucket.http) })

    /// What the keys say together.
    func configuration(_ node: ConfigurationNode) throws -> GCSConfiguration {
        var configuration = bucket
        if isAnonymous {
            guard key == nil else { throw node.failure("has both credentials and anonymous") }
            configuration.credentials = .anonymous
        } else if let key {
            configuration.credentials = .key(
                try (node.field("credentials") ?? node).checked { try ServiceAccountKey(json: key) })
        }
        try node.checked { try configuration.validate() }
        return configuration
    }
}
