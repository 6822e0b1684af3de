import FoundationEssentials
public import Logging
public import NATS
public import Storage
import Synchronization

/// A NATS object store as ADR-20 describes it: every NATS client reads what this one puts, and the reverse.
///
/// An object is its chunks and one meta message. Chunks are stored first, each acknowledged; the meta message,
/// published on the condition that its predecessor is the one that was read, makes the object visible at once and
/// whole. So of any number of racing writers each replaces exactly the object it saw, and removes that one's chunks.
/// The version is the meta message's stream sequence.
///
/// JetStream acknowledges before it syncs to disk, unless the server's `sync_interval` is `always` or
/// ``BucketConfiguration/isAtomic`` is set.
///
/// A bucket whose stream is a mirror of another's can be read, as late as the mirror is; what writes throws
/// `unsupported`.
///
/// See <https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-20.md>.
public final class JetStreamStore: Store {
    let bucket: Bucket
    let logger: Logger
    let index: LiveIndex?
    let purger: Purger
    let domain: String?
    let guess = Guess()
    let locks = KeyLocks()
    let batches = Permits(Put.atOnce)
    let cleaning: CleaningSchedule
    private let ended = Atomic(false)

    /// Whether it was shut down.
    var isShutDown: Bool { ended.load(ordering: .acquiring) }

    private init(_ bucket: Bucket, _ configuration: BucketConfiguration, _ logger: Logger) {
        self.bucket = bucket
        self.logger = logger
        index = configuration.index == .live ? LiveIndex(bucket, limit: configuration.maxIndexedObjects) : nil
        purger = Purger(bucket, logger)
        domain = configuration.domain
        cleaning = CleaningSchedule(every: configuration.cleanEvery, grace: configuration.cleanAfter)
    }

    /// Opens a bucket, creating it where it is missing and the configuration says so.
    ///
    /// - Parameters:
    ///   - control: for requests and meta messages.
    ///   - bulk: for chunks; another connection, so that large objects do not hold up small requests.
    /// - Throws: `invalid` for a bad name or setting, `unavailable` where the bucket is missing or no server answers.
    public static func open(
        _ configuration: BucketConfiguration, control: NATSConnection, bulk: NATSConnection, logger: Logger
    ) async throws(StorageError) -> JetStreamStore {
        let store = try await find(configuration, control: control, bulk: bulk, logger: logger)
        await store.bucket.lookForMirrors()
        return store
    }

    /// A bucket whose mirrors are not known.
    static func find(
        _ configuration: BucketConfiguration, control: NATSConnection, bulk: NATSConnection, logger: Logger
    ) async throws(StorageError) -> JetStreamStore {
        var format = try BucketFormat(configuration.name)
        let stream = JetStream(control, domain: configuration.domain, timeout: configuration.timeout)
        let settings = try await settings(configuration, format, stream)
        if let origin = settings.mirror?.name, origin.hasPrefix(BucketFormat.streamPrefix) {
            format.origin = String(origin.dropFirst(BucketFormat.streamPrefix.count))
        }
        guard settings.allowRollup ?? false || format.origin != format.bucket else {
            throw StorageError(
                .invalid, "stream “\(format.stream)” does not allow rollups: it is not an object store",
                operation: .open)
        }
        guard !configuration.isAtomic || settings.allowAtomicBatches ?? false else {
            throw StorageError(
                .unsupported,
                "bucket “\(format.bucket)” takes no atomic batches: that needs NATS 2.12, and `allow_atomic` of an existing stream",
                operation: .open)
        }
        // Room for a batch's headers, which count too.
        let largestChunk =
            [bulk.maxPayload - min(1024, bulk.maxPayload / 2), settings.maxMessageSize ?? -1].filter { $0 > 0 }.min()
            ?? 128 << 10
        let bucket = Bucket(
            format: format, control: stream,
            bulk: JetStream(bulk, domain: configuration.domain, timeout: configuration.timeout),
            budget: FlightBudget(timeout: configuration.timeout),
            chunkSize: min(max(1, configuration.chunkSize), largestChunk), largestChunk: largestChunk,
            isAtomic: configuration.isAtomic, pairs: PairedPuts(settings),
            rules: ReadRules(settings, anyReplica: configuration.readsAnyReplica),
            // Servers from 2.10 on echo it, compressed or not.
            followsReliably: settings.compression != nil,
            maxAge: settings.maxAge.flatMap { $0 > 0 ? .nanoseconds($0) : nil },
            timeout: configuration.timeout, expiresMessages: settings.allowMessageTTL ?? false)
        return JetStreamStore(bucket, configuration, logger)
    }

    private static func settings(
        _ configuration: BucketConfiguration, _ format: BucketFormat, _ stream: JetStream
    ) async throws(StorageError) -> StreamConfiguration {
        do throws(NATSError) {
            return try await stream.streamInfo(format.stream).config
        } catch {
            guard case .api(_, JetStreamErrorCode.streamNotFound) = error.code, configuration.create else {
                throw StorageError(error, bucket: format.bucket).during(.open)
            }
        }
        return try await mapped(format.bucket) { () async throws(NATSError) in
            try await stream.createStream(configuration.stream(format)).config
        }
    }

    public var capabilities: Capabilities {
        if bucket.isMirror { return [] }
        let usual: Capabilities = [.createOnly, .compareAndSwap, .timeToLive, .metadataUpdate]
        return bucket.isAtomic ? usual : usual.union(.messageID)
    }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            try bucket.checkWritable()
            try options.validate()
            return try await Put(self, key, options).run(body)
        } catch {
            throw error.during(.put, key: key)
        }
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        do throws(StorageError) {
            return try await Get(self, key, options).run()
        } catch {
            throw error.during(.get, key: key)
        }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            return try await info(key, options.ifMatch, depth: 0)
        } catch {
            throw error.during(.info, key: key)
        }
    }

    private func info(_ key: ObjectKey, _ ifMatch: Version?, depth: Int) async throws(StorageError) -> ObjectInfo {
        let meta = try await live(key, ifMatch)
        guard let link = meta.meta.link else { return meta.info }
        return try await follow(link, from: key, depth: depth) { store, target, depth async throws(StorageError) in
            try await store.info(target, ifMatch, depth: depth)
        }
    }

    /// The meta of the object, or the link, that `key` names now.
    func live(_ key: ObjectKey, _ ifMatch: Version? = nil) async throws(StorageError) -> StoredMeta {
        guard let index, index.isLive else {
            index?.start()
            return try await bucket.live(key, ifMatch: ifMatch)
        }
        return try bucket.check(try await index.newest(key), key, ifMatch)
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try query.validate()
        do throws(StorageError) {
            if let index, index.isUsable, let page = try await index.freshPage(query) { return page }
            return try await serverPage(query)
        } catch {
            throw error.during(.list)
        }
    }

    /// Returns when the chunks of everything that was replaced so far are removed, or given up.
    package func finishPurging() async { await purger.finish() }

    /// Ends the index, watches and the removing of what was replaced; the connections belong to whoever opened the store.
    public func shutdown() async {
        ended.store(true, ordering: .releasing)
        await index?.stop()
        await purger.stop()
    }
}
