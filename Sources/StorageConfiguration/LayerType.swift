import Storage
import StorageLayers

/// A kind of layer: the keys that it takes, and what they make.
struct LayerType: Sendable {
    let name: String
    let description: SectionDescription
    let read: @Sendable (ConfigurationNode) throws -> LayerConfiguration

    /// Every kind there is. A new one is added here, and is known to reading, printing and the schema.
    static let all: [LayerType] = [
        LayerType("cache", cache, CacheOptions()) { options, store in CachedStore(store, options) },
        LayerType("throttle", throttle, ThrottleOptions()) { options, store in ThrottledStore(store, options) },
        LayerType("retry", retry, RetryOptions()) { options, store in RetryingStore(store, options) },
        LayerType("limit", limit, Limit()) { options, store in
            LimitedStore(store, maxConcurrent: options.maxConcurrent, maxWaiting: options.maxWaiting)
        },
        LayerType("prefix", prefix, Prefix()) { (options, store) throws(StorageError) in
            try PrefixedStore(store, prefix: options.path)
        },
        LayerType("blocks", blocks, BlockOptions()) { (options, store) throws(StorageError) in
            try BlockStore(store, options)
        },
        LayerType("compress", compress, CompressionOptions(), check: { try $0.validate() }) { options, store in
            CompressedStore(store, options)
        },
        LayerType("encrypt", EncryptKeys.section, EncryptKeys(), check: { try $0.keys() }) {
            (options, store) throws(StorageError) in
            EncryptedStore(store, keys: try options.keys(), options.options)
        },
        LayerType("observe", observe, ObserveOptions()) { options, store in ObservedStore(store, options) },
        LayerType("readonly", Section("Lets nothing be changed.", []), None()) { _, store in ReadOnlyStore(store) },
        LayerType("metrics", metrics, Name()) { options, store in InstrumentedStore(store, name: options.name) },
        LayerType("faults", faults, FaultsKeys(), check: { _ in }) { options, store in
            FaultyStore(store, options.faults)
        },
    ]

    /// - Parameters:
    ///   - check: throws where what was read does not fit together.
    ///   - make: puts the layer around a store.
    init<Options, Checked>(
        _ name: String, _ section: Section<Options>, _ initial: Options,
        check: @escaping @Sendable (Options) throws -> Checked,
        make: @escaping @Sendable (Options, any Store) throws(StorageError) -> any Store
    ) {
        self.name = name
        description = section.description(initial)
        read = { node in
            var options = initial
            try section.read(node, into: &options)
            let read = options
            _ = try node.checked { try check(read) }
            return LayerConfiguration(name) { (store) throws(StorageError) in try make(read, store) }
        }
    }

    init<Options>(
        _ name: String, _ section: Section<Options>, _ initial: Options,
        make: @escaping @Sendable (Options, any Store) throws(StorageError) -> any Store
    ) {
        self.init(name, section, initial, check: { _ in }, make: make)
    }

    private struct None: Sendable {}

    private struct Name: Sendable {
        var name = "store"
    }

    private struct Prefix: Sendable {
        var path = ""
    }

    private struct Limit: Sendable {
        var maxConcurrent = 64
        var maxWaiting = 10_000
    }

    private static let cache = Section<CacheOptions>(
        "Answers reads from memory.",
        [
            .integer("max_entries", \.maxEntries, in: 1...Int.max, "The most objects kept."),
            .size("max_bytes", \.maxBytes, "The most bytes of them together."),
            .size("max_object_size", \.maxObjectSize, "Larger objects are read past the cache."),
            .choice(
                "strategy", \.strategy, [("hybrid", .hybrid), ("lru", .lru), ("ttl", .ttl)],
                "What makes an object leave: that it was used longest ago (lru), its age (ttl), or both (hybrid)."),
            .duration(
                "ttl", \.timeToLive,
                "How long it stays, unless the strategy is lru: how late a change may be seen that is made elsewhere, where "
                    + "the store beneath tells of none."),
            .duration("negative_ttl", \.negativeTimeToLive, "How long it is remembered that there is no object."),
        ])

    private static let throttle = Section<ThrottleOptions>(
        "Holds operations and bytes to rates.",
        [
            .integer("reads_per_minute", \.readsPerMinute, in: 1...Int.max, "Gets, infos and lists."),
            .integer("writes_per_minute", \.writesPerMinute, in: 1...Int.max, "Puts, deletes and changes of metadata."),
            .integer("burst", \.burst, in: 1...1_000_000, "How many of each may come at once after a pause."),
            .size("bytes_per_second", \.bytesPerSecond, "Bytes of bodies, read and written together."),
            .choice(
                "when_exceeded", \.whenExceeded, [("wait", .wait), ("refuse", .refuse)],
                "Whether what is over a rate waits, or is refused as throttled."),
            .duration("max_wait", \.maxWait, "What would have to wait longer is refused."),
        ])

    private static let retry = Section<RetryOptions>(
        "Tries again what failed for the moment.",
        [
            .integer("max_attempts", \.maxAttempts, in: 1...1000, "How often an operation is tried in all."),
            .duration("base_delay", \.baseDelay, "The longest wait before the first retry; it doubles from then on."),
            .duration("max_delay", \.maxDelay, "No wait is longer."),
            .integer(
                "budget", \.budget, in: 0...1_000_000,
                "How many retries there may be while nothing succeeds, over all operations."),
            .size(
                "replay_limit", \.replayLimit, in: 0...1 << 30,
                "A streamed body that announces at most so many bytes is gathered, to be put again."),
        ])

    private static let limit = Section<Limit>(
        "Lets only so many operations through at a time.",
        [
            .integer("max_concurrent", \.maxConcurrent, in: 1...1_000_000, "How many."),
            .integer("max_waiting", \.maxWaiting, in: 0...1_000_000, "How many may wait; one more is unavailable."),
        ])

    private static let prefix = Section<Prefix>(
        "Puts all keys beneath a path.",
        [
            Setting("prefix", .text, "The path; the / at its end may be left out.") { node, options in
                options.path = try node.string()
                let path = options.path
                _ = try node.checked { try PrefixedStore(MemoryStore(), prefix: path) }
            }.required
        ])

    private static let observe = Section<ObserveOptions>(
        "Tells the layers around it of what is changed through it: a cache above sees it at once.",
        [
            .integer(
                "shards", \.shards, in: 1...1024,
                "In how many parts keys are kept in order: ends of writes of different parts don't wait for one another."
            ),
            .integer("buffer", \.buffer, in: 1...1 << 20, "How many changes wait for a watcher at most."),
            .choice(
                "overflow", \.overflow, [("drop", .drop), ("block", .block)],
                "Whether changes beyond are dropped and counted, or their writers wait."),
        ])

    static let blocks = Section<BlockOptions>(
        "Keeps equal bytes once, in blocks named by their digests. What else the store beneath holds is not seen.",
        [
            .size(
                "block_size", \.blockSize, in: 1 << 10...64 << 20,
                "Objects of more bytes are cut into blocks of it. Not to be changed for a store that has objects."),
            .duration(
                "grace", \.grace,
                "How long a block that nothing refers to is kept: more than any put takes, and than clocks differ."),
            .duration("collect_every", \.collectEvery, or: "never", "How often such blocks are looked for."),
        ])

    private static let compress = Section<CompressionOptions>(
        "Stores objects compressed.",
        [
            .choice(
                "algorithm", \.algorithm, [("zstd", .zstd), ("gzip", .gzip)],
                "What new objects are compressed with; zstd is the faster one and makes them smaller."),
            .integer("level", \.level, in: 1...19, "1, fast, to 19 (zstd) or 9 (gzip), small; 3 or 6 unless set."),
            .size("minimum_size", \.minimumSize, in: 0...Int.max, "Smaller objects are stored as they are."),
        ])

    private static let metrics = Section<Name>(
        "Counts and times operations, as metrics.",
        [.text("name", \.name, "What the metrics call the store.")])

    private static let faults = FaultsKeys.section
}
