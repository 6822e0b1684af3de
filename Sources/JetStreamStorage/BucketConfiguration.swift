import NATS
import Storage

/// Which bucket, and how to create it.
public struct BucketConfiguration: Sendable {
    /// Where a new bucket lies.
    public enum Storage: Sendable { case file, memory }

    /// The bucket's name: letters, digits, `-` and `_`.
    public var name: String
    /// Whether to create the bucket where it is missing; an existing one is taken as it is.
    public var create = true
    /// How many servers of a cluster hold a new bucket.
    public var replicas = 1
    /// Where a new bucket lies.
    public var storage = Storage.file
    /// How long a new bucket keeps objects; nil: for ever.
    public var ttl: Duration?
    /// The most bytes a new bucket holds; nil: no limit of its own.
    public var maxBytes: Int?
    /// Whether the server compresses a new bucket (2.10 and later).
    public var compression = false
    /// What a new bucket is for.
    public var description: String?
    /// A new bucket's own metadata (2.10 and later).
    public var metadata: [String: String] = [:]
    /// The cluster that a new bucket lies in.
    public var cluster: String?
    /// The tags of servers that a new bucket lies on.
    public var tags: [String] = []
    /// The size of the chunks written, bounded by what bucket and connection take.
    public var chunkSize = 128 << 10
    /// Whether each put is one batch, which the server stores and syncs to disk as a whole or not at all: what is
    /// acknowledged outlives a power failure, and a put that fails leaves nothing to clean. Slower, and of at most 999
    /// chunks, without message ids; a streamed body of more than 8 MiB that another writer overtakes fails as
    /// `unavailable`. NATS 2.12 and later; an existing bucket has to allow it.
    public var isAtomic = false
    /// Whether any replica may answer reads, faster and perhaps late; otherwise the leader does.
    public var readsAnyReplica = false
    /// How objects are found.
    public enum Index: Sendable {
        /// By an index in memory that follows the bucket.
        case live
        /// By asking the server each time.
        case none
    }

    /// How objects are found.
    public var index = Index.live
    /// The most objects that the index may hold; where there are more, the server is asked each time.
    public var maxIndexedObjects = 2_000_000
    /// How often ``JetStreamStore/maintain()`` looks for chunks that no object refers to; nil: never.
    public var cleanEvery: Duration? = .seconds(3600)
    /// How old such chunks have to be: a put takes no longer between its last chunk and its end.
    public var cleanAfter: Duration = .seconds(3600)
    /// The JetStream domain; nil: the account's own.
    public var domain: String?
    /// How long one request to the server may take.
    public var timeout: Duration = .seconds(5)

    /// The bucket `name`, with a NATS object store's usual settings.
    public init(name: String) {
        self.name = name
    }

    func stream(_ format: BucketFormat) -> StreamConfiguration {
        var stream = StreamConfiguration(name: format.stream, subjects: [format.allChunks, format.allMeta])
        stream.description = description
        stream.storage = storage == .file ? .file : .memory
        stream.replicas = replicas
        stream.maxAge = ttl.map { $0.components.seconds * 1_000_000_000 + $0.components.attoseconds / 1_000_000_000 }
        stream.maxBytes = maxBytes
        stream.discard = .new
        stream.allowDirect = true
        stream.allowRollup = true
        // Older servers leave it out.
        stream.allowMessageTTL = true
        if isAtomic { stream.allowAtomicBatches = true }
        if compression { stream.compression = .s2 }
        if cluster != nil || !tags.isEmpty {
            stream.placement = .init(cluster: cluster, tags: tags.isEmpty ? nil : tags)
        }
        if !metadata.isEmpty { stream.metadata = metadata }
        return stream
    }
}
