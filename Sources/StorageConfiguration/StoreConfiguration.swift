public import FileStorage
public import FoundationEssentials
public import GCSStorage
public import JetStreamStorage
public import Logging
public import NATS
public import S3Storage
public import Storage
import Yams

/// Which store stands behind an instance.
public enum StoreConfiguration: Sendable {
    /// In memory, gone with the process.
    case memory(MemoryStore.Limits)
    /// A NATS object store.
    case jetStream(BucketConfiguration)
    /// Files in a folder.
    case file(FileStoreConfiguration)
    /// A bucket of S3, or of a server that speaks it.
    case s3(S3Configuration)
    /// A bucket of Google Cloud Storage.
    case gcs(GCSConfiguration)

    init(_ node: ConfigurationNode) throws {
        let type = try node.type()
        switch type {
        case "memory": self = .memory(try Self.memory(node))
        case "jetstream": self = .jetStream(try Self.jetStream(node))
        case "file": self = .file(try FileStoreConfiguration(node))
        case "s3": self = .s3(try S3Configuration(node))
        case "gcs": self = .gcs(try GCSConfiguration(node))
        default: throw node.failure("type “\(type)” is none of memory, jetstream, file, s3, gcs")
        }
    }

    private static func memory(_ node: ConfigurationNode) throws -> MemoryStore.Limits {
        let fields = try node.fields("type", "max_bytes", "max_entries", "when_full")
        var limits = MemoryStore.Limits()
        if let bytes = fields["max_bytes"] { limits.maxBytes = try bytes.size() }
        if let entries = fields["max_entries"] { limits.maxEntries = try entries.integer(in: 1...Int.max) }
        if let action = fields["when_full"] {
            limits.whenFull = try action.choice(["evict": .evictLeastRecentlyUsed, "refuse": .refuse])
        }
        return limits
    }

    private static func jetStream(_ node: ConfigurationNode) throws -> BucketConfiguration {
        let fields = try node.fields(
            "type", "bucket", "create", "replicas", "storage", "ttl", "max_bytes", "compression", "chunk_size",
            "consistency", "description", "domain", "metadata", "placement", "index", "clean_every", "clean_after")
        guard let name = fields["bucket"] else { throw node.failure("has no bucket") }
        var bucket = BucketConfiguration(name: try name.string())
        bucket.create = try fields["create"]?.boolean() ?? true
        bucket.replicas = try fields["replicas"]?.integer(in: 1...5) ?? 1
        bucket.storage = try fields["storage"]?.choice(["file": .file, "memory": .memory]) ?? .file
        bucket.ttl = try fields["ttl"]?.duration()
        bucket.maxBytes = try fields["max_bytes"]?.size()
        bucket.compression = try fields["compression"]?.boolean() ?? false
        bucket.chunkSize = try fields["chunk_size"]?.size(in: 1024...64 << 20) ?? bucket.chunkSize
        bucket.readsAnyReplica = try fields["consistency"]?.choice(["latest": false, "any": true]) ?? false
        bucket.description = try fields["description"]?.string()
        bucket.domain = try fields["domain"]?.string()
        bucket.index = try fields["index"]?.choice(["live": BucketConfiguration.Index.live, "none": .none]) ?? .live
        if let interval = fields["clean_every"] {
            bucket.cleanEvery = try interval.string() == "never" ? nil : try interval.duration()
        }
        bucket.cleanAfter = try fields["clean_after"]?.duration() ?? bucket.cleanAfter
        bucket.metadata = try fields["metadata"]?.texts() ?? [:]
        if let placement = try fields["placement"]?.fields("cluster", "tags") {
            bucket.cluster = try placement["cluster"]?.string()
            bucket.tags = try placement["tags"]?.elements().map { try $0.string() } ?? []
        }
        return bucket
    }

    /// Opens the store.
    ///
    /// - Parameters:
    ///   - control: for requests and metadata.
    ///   - bulk: for large bodies.
    ///   - environment: where credentials are looked up that are not configured.
    public func open(
        control: NATSConnection, bulk: NATSConnection, logger: Logger,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws(StorageError) -> any Store {
        switch self {
        case .memory(let limits):
            MemoryStore(
                limits: limits,
                onEviction: { info in
                    logger.debug("evicted", metadata: ["key": "\(info.key)", "size": "\(info.size)"])
                })
        case .jetStream(let bucket):
            try await JetStreamStore.open(bucket, control: control, bulk: bulk, logger: logger)
        case .file(let configuration):
            try await FileStore.open(configuration)
        case .s3(let bucket):
            try await S3Store.open(bucket, environment: environment, logger: logger)
        case .gcs(let bucket):
            try await GCSStore.open(bucket, environment: environment)
        }
    }
}

extension ConfigurationNode {
    /// A store's type, whose other keys depend on it.
    fileprivate func type() throws -> String {
        guard let mapping = node.mapping else { throw failure("is not a mapping") }
        guard let type = mapping["type"] else { throw failure("has no type") }
        return try ConfigurationNode(node: type, path: path + ".type", environment: environment).string()
    }
}
