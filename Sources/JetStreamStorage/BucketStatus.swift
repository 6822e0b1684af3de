import Encodings
public import NATS
public import Storage

/// How a bucket stands, and how it is set.
public struct BucketStatus: Sendable, Hashable {
    /// The bucket's name.
    public var bucket: String
    /// What it is for.
    public var description: String?
    /// The bytes it takes, chunks, metadata and what is not yet removed.
    public var size: Int
    /// How long it keeps objects; nil: for ever.
    public var ttl: Duration?
    /// How many servers hold it.
    public var replicas: Int
    /// Where it lies.
    public var storage: BucketConfiguration.Storage
    /// Whether it can only be read.
    public var isSealed: Bool
    /// Whether the server compresses it.
    public var isCompressed: Bool
    /// Its own metadata.
    public var metadata: [String: String]

    init(_ info: StreamInfo, _ bucket: String) {
        self.bucket = bucket
        description = info.config.description
        size = Int(clamping: info.state.bytes)
        ttl = info.config.maxAge.flatMap { $0 > 0 ? .nanoseconds($0) : nil }
        replicas = info.config.replicas ?? 1
        storage = info.config.storage == .memory ? .memory : .file
        isSealed = info.config.sealed ?? false
        isCompressed = info.config.compression == .s2
        metadata = info.config.metadata ?? [:]
    }
}

extension JetStreamStore {
    /// How the bucket stands.
    public func status() async throws(StorageError) -> BucketStatus {
        BucketStatus(try await bucket.streamInfo(), bucket.name)
    }

    /// Makes the bucket read-only, for ever: puts, deletes and changes of metadata throw `unsupported` from then on.
    public func seal() async throws(StorageError) {
        try await mapped(bucket.name) { () async throws(NATSError) in
            _ = try await bucket.control.updateStream(bucket.format.stream) { $0["sealed"] = .bool(true) }
        }
    }

    /// The names of every bucket that the account has, in order.
    public static func buckets(_ connection: NATSConnection, domain: String? = nil) async throws(StorageError)
        -> [String]
    {
        try await mapped("*") { () async throws(NATSError) in
            try await JetStream(connection, domain: domain).streamNames(subject: "$O.*.C.>")
                .filter { $0.hasPrefix(BucketFormat.streamPrefix) }
                .map { String($0.dropFirst(BucketFormat.streamPrefix.count)) }.sorted()
        }
    }
}
