import HTTP
import S3Storage
import Storage

/// The keys of an `s3` store.
struct S3Keys: Sendable {
    var bucket = S3Configuration(bucket: "")
    private var accessKeyID: String?
    private var secretAccessKey: String?
    private var sessionToken: String?
    private var profile: String?
    private var isAnonymous = false

    static let section = Section<S3Keys>(
        "A bucket of S3, or of a server that speaks it.",
        [
            .text("bucket", \.bucket.bucket, "The bucket.").required,
            .text("prefix", \.bucket.prefix, "What all keys begin with there."),
            .text("region", \.bucket.region, "The region; without it, as AWS' tools find theirs."),
            .text("endpoint", \.bucket.endpoint, "Where the server is; without it, AWS."),
            .boolean(
                "force_path_style", \.bucket.forcePathStyle, "Whether the bucket is named in the path, not the host."),
            .secret("access_key_id", \.accessKeyID, "The access key; without it, as AWS' tools find theirs."),
            .secret("secret_access_key", \.secretAccessKey, "Its secret."),
            .secret("session_token", \.sessionToken, "Its token, where it is a temporary one."),
            .text("profile", \.profile, "A profile of the shared files."),
            .boolean("anonymous", \.isAnonymous, "Whether requests are not signed."),
            .choice(
                "payload_signing", \.bucket.payloadSigning,
                [("auto", .automatic), ("signed", .signed), ("unsigned", .unsigned)],
                "Whether bodies are signed; auto: where the connection is not secured."),
            .size("part_size", \.bucket.partSize, in: 5 << 20...5 << 30, "How much is uploaded at a time."),
            .integer("parallel_parts", \.bucket.parallelParts, in: 1...64, "How many parts are on their way at once."),
            .boolean("create", \.bucket.create, "Whether a missing bucket is made."),
            .choice(
                "conditional_writes", \.bucket.conditionalWrites,
                [("detect", .detect), ("supported", .supported), ("unsupported", .unsupported)],
                "Whether the server honours preconditions; detect: by trying."),
            .boolean(
                "conditional_multipart", \.bucket.conditionalMultipart,
                "Whether it honours them at the end of a multipart upload."),
            .choice(
                "list_order", \.bucket.listOrder, [("detect", .detect), ("bytes", .bytes), ("other", .other)],
                "Whether the server lists in the order of bytes; detect: by trying."),
            .duration(
                "abort_uploads_after", \.bucket.abortUploadsAfter, or: "never",
                "How old an unfinished upload is when it is aborted."),
            .text("storage_class", \.bucket.storageClass, "The storage class of new objects."),
            .text(
                "server_side_encryption", \.bucket.serverSideEncryption, "How the server encrypts: AES256 or aws:kms."),
            .text("kms_key_id", \.bucket.kmsKeyID, "With which key of its own."),
            .integer("max_attempts", \.bucket.maxAttempts, in: 1...100, "How often a request is tried in all."),
        ] + HTTPOptions.settings.map { $0.within(\.bucket.http) })

    /// What the keys say together.
    func configuration(_ node: ConfigurationNode) throws -> S3Configuration {
        var configuration = bucket
        configuration.credentials = try credentials(node)
        try node.checked { try configuration.validate() }
        return configuration
    }

    private func credentials(_ node: ConfigurationNode) throws -> S3Configuration.CredentialSource {
        guard [accessKeyID != nil, profile != nil, isAnonymous].filter({ $0 }).count <= 1 else {
            throw node.failure("has more than one of access_key_id, profile and anonymous")
        }
        if isAnonymous { return .anonymous }
        if let profile { return .profile(profile) }
        guard let accessKeyID, let secretAccessKey else {
            guard accessKeyID == nil, secretAccessKey == nil, sessionToken == nil else {
                throw node.failure("needs both access_key_id and secret_access_key")
            }
            return .chain
        }
        return .fixed(
            S3Credentials(accessKeyID: accessKeyID, secretAccessKey: secretAccessKey, sessionToken: sessionToken))
    }
}
