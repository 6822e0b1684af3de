import HTTP
import S3Storage
import Storage

extension S3Configuration {
    init(_ node: ConfigurationNode) throws {
        let fields = try node.fields(
            "type", "bucket", "prefix", "region", "endpoint", "force_path_style", "access_key_id", "secret_access_key",
            "session_token", "profile", "anonymous", "payload_signing", "part_size", "parallel_parts", "create",
            "conditional_writes", "conditional_multipart", "abort_uploads_after", "storage_class",
            "server_side_encryption", "kms_key_id",
            "max_attempts", "connect_timeout", "stall_timeout", "max_connections", "proxy", "ca")
        guard let bucket = fields["bucket"] else { throw node.failure("has no bucket") }
        self.init(bucket: try bucket.string())
        prefix = try fields["prefix"]?.string() ?? ""
        region = try fields["region"]?.text()
        endpoint = try fields["endpoint"]?.text()
        forcePathStyle = try fields["force_path_style"]?.boolean()
        credentials = try Self.credentials(fields, node)
        payloadSigning =
            try fields["payload_signing"]?.choice(["auto": .automatic, "signed": .signed, "unsigned": .unsigned])
            ?? .automatic
        partSize = try fields["part_size"]?.size(in: 5 << 20...5 << 30) ?? partSize
        parallelParts = try fields["parallel_parts"]?.integer(in: 1...64) ?? parallelParts
        create = try fields["create"]?.boolean() ?? false
        conditionalWrites =
            try fields["conditional_writes"]?.choice([
                "detect": .detect, "supported": .supported, "unsupported": .unsupported,
            ]) ?? .detect
        conditionalMultipart = try fields["conditional_multipart"]?.boolean()
        abortUploadsAfter = try fields["abort_uploads_after"]?.duration()
        storageClass = try fields["storage_class"]?.string()
        serverSideEncryption = try fields["server_side_encryption"]?.string()
        kmsKeyID = try fields["kms_key_id"]?.string()
        maxAttempts = try fields["max_attempts"]?.integer(in: 1...100) ?? maxAttempts
        http = try HTTPOptions(fields)
        do throws(StorageError) { try validate() } catch { throw node.failure(error.message) }
    }

    private static func credentials(
        _ fields: [String: ConfigurationNode], _ node: ConfigurationNode
    ) throws -> CredentialSource {
        let isAnonymous = try fields["anonymous"]?.boolean() ?? false
        let given = [fields["access_key_id"] != nil, fields["profile"] != nil, isAnonymous].filter { $0 }
        guard given.count <= 1 else {
            throw node.failure("has more than one of access_key_id, profile and anonymous")
        }
        if isAnonymous { return .anonymous }
        if let profile = fields["profile"] { return .profile(try profile.string()) }
        guard let id = fields["access_key_id"], let secret = fields["secret_access_key"] else {
            guard fields["access_key_id"] == nil, fields["secret_access_key"] == nil, fields["session_token"] == nil
            else { throw node.failure("needs both access_key_id and secret_access_key") }
            return .chain
        }
        return .fixed(
            S3Credentials(
                accessKeyID: try id.secret(), secretAccessKey: try secret.secret(),
                sessionToken: try fields["session_token"]?.secret()))
    }
}
