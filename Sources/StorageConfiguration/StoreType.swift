import FileStorage
import GCSStorage
import JetStreamStorage
import S3Storage
import SQLiteStorage
import Storage

/// A kind of store, as `type` names it: the keys that it takes, and what they make.
struct StoreType: Sendable {
    let name: String
    let description: SectionDescription
    let read: @Sendable (ConfigurationNode) throws -> StoreConfiguration

    /// What every store may have besides.
    static let common = ["type", "layers"]

    /// Every kind there is. A new one is added here, and is known to reading, printing and the schema.
    static let all: [StoreType] = [
        StoreType("memory", memory, MemoryStore.Limits()) { limits, _ in .memory(limits) },
        StoreType("jetstream", jetStream, BucketConfiguration(name: "")) { bucket, _ in .jetStream(bucket) },
        StoreType("file", file, FileStoreConfiguration(path: "")) { files, _ in .file(files) },
        StoreType("sqlite", sqlite, SQLiteStoreConfiguration(path: "")) { file, _ in .sqlite(file) },
        StoreType("s3", S3Keys.section, S3Keys()) { keys, node in .s3(try keys.configuration(node)) },
        StoreType("tiered", TieredKeys.section, TieredKeys()) { try $0.store($1) },
        StoreType("blocks", BlocksKeys.section, BlocksKeys()) { try $0.store($1) },
        StoreType("gcs", GCSKeys.section, GCSKeys()) { keys, node in .gcs(try keys.configuration(node)) },
    ]

    /// - Parameter make: makes the store of what was read.
    init<Options>(
        _ name: String, _ section: Section<Options>, _ initial: Options,
        _ make: @escaping @Sendable (Options, ConfigurationNode) throws -> StoreConfiguration
    ) {
        self.name = name
        description = section.description(initial)
        read = { node in
            var options = initial
            try section.read(node, into: &options, besides: Self.common)
            return try make(options, node)
        }
    }

    private static let memory = Section<MemoryStore.Limits>(
        "In memory, gone with the process.",
        [
            .size("max_bytes", \.maxBytes, "The most bytes of all objects together."),
            .integer("max_entries", \.maxEntries, in: 1...Int.max, "The most objects."),
            .choice(
                "when_full", \.whenFull, [("evict", .evictLeastRecentlyUsed), ("refuse", .refuse)],
                "What becomes of a put that has no room: others go, or it is refused."),
        ])

    private static let jetStream = Section<BucketConfiguration>(
        "A NATS object store.",
        [
            Setting("bucket", .text, "The bucket.") { node, bucket in
                bucket.name = try node.string()
                guard bucket.name.isName else {
                    throw node.failure("“\(bucket.name.abbreviated)” is not a name of A-Z a-z 0-9 - _")
                }
            }.required,
            .boolean("create", \.create, "Whether a missing bucket is made; the keys below say how."),
            .integer("replicas", \.replicas, in: 1...5, "How many servers hold it."),
            .choice("storage", \.storage, [("file", .file), ("memory", .memory)], "Where they hold it."),
            .duration("ttl", \.ttl, "How long every object lives."),
            .size("max_bytes", \.maxBytes, "The most bytes it may take."),
            .boolean("compression", \.compression, "Whether the servers compress it."),
            .boolean("atomic", \.isAtomic, "Whether each put is stored and synced as a whole (NATS 2.12 and later)."),
            .size("chunk_size", \.chunkSize, in: 1024...64 << 20, "The size of the chunks that objects are cut into."),
            .choice(
                "consistency", \.readsAnyReplica, [("latest", false), ("any", true)],
                "Whether reads tell what was acknowledged last, or what any replica has."),
            .choice(
                "index", \.index, [("live", .live), ("none", .none)],
                "Whether an index in memory follows the bucket, or the server is asked each time."),
            .integer(
                "max_indexed_objects", \.maxIndexedObjects, in: 1...Int.max,
                "The most objects of that index; where there are more, the server is asked."),
            .duration(
                "clean_every", \.cleanEvery, or: "never", "How often chunks are removed that belong to no object."),
            .duration("clean_after", \.cleanAfter, "How old such chunks must be."),
            .text("description", \.description, "What the bucket is for."),
            .text("domain", \.domain, "The JetStream domain."),
            Setting("metadata", .mapping(.text), "What is kept with the bucket.") { $1.metadata = try $0.texts() },
            Setting(
                "placement", .section(placement.description(BucketConfiguration(name: ""))), "Which servers hold it."
            ) {
                try placement.read($0, into: &$1)
            },
        ])

    private static let file = Section<FileStoreConfiguration>(
        "Files in a folder, one for each object.",
        [
            .text("path", \.path, "The folder, made where it is missing.").required,
            .choice(
                "durability", \.durability, [("always", .always), ("batched", .batched), ("none", .none)],
                "Whether each put is synced to the disk before it is acknowledged, many at once, or by the system."),
            .boolean("verify", \.verify, "Whether a whole object is checked against its digest as it is read."),
            .integer("threads", \.threads, in: 1...256, "How many threads wait for the disk at once."),
            .duration("temporary_grace", \.temporaryGrace, "How long a temporary file that nobody holds stays."),
            .duration("sweep_interval", \.sweepInterval, "How often temporary files and expired objects are removed."),
        ])

    private static let sqlite = Section<SQLiteStoreConfiguration>(
        "Objects in one SQLite file.",
        [
            .text("path", \.path, "The file, made where it is missing.").required,
            .choice(
                "durability", \.durability, [("always", .always), ("none", .none)],
                "Whether each put is synced to the disk before it is acknowledged, or by the system."),
            .boolean("verify", \.verify, "Whether a whole object is checked against its digest as it is read."),
            .integer("readers", \.readers, in: 1...64, "How many reads happen at once."),
            .duration("busy_timeout", \.busyTimeout, "How long a change waits for other processes to end theirs."),
            .duration("upload_grace", \.uploadGrace, "How long the bytes of an upload that stands still are kept."),
            .duration(
                "reader_grace", \.readerGrace,
                "How long the bytes of a large object that was replaced or deleted stay for those who are reading them."
            ),
            .duration("sweep_interval", \.sweepInterval, "How often what nobody needs any more is removed."),
        ])

    private static let placement = Section<BucketConfiguration>(
        "Which servers hold the bucket.",
        [
            .text("cluster", \.cluster, "The cluster."),
            Setting("tags", .list(.text), "What they are tagged with.") {
                $1.tags = try $0.elements().map { try $0.string() }
            },
        ])
}
