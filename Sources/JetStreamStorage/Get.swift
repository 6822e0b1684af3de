import FoundationEssentials
import NATS
import Storage

/// One get: the newest meta message, and behind it the chunks.
struct Get: Sendable {
    /// Each fails only where another writer was in between.
    private static let attempts = 100

    private let store: JetStreamStore
    private let key: ObjectKey
    private let options: GetOptions
    /// How many links were followed to come here.
    private let depth: Int
    private var bucket: Bucket { store.bucket }
    private var index: LiveIndex? { store.index }

    init(_ store: JetStreamStore, _ key: ObjectKey, _ options: GetOptions, depth: Int = 0) {
        self.store = store
        self.depth = depth
        self.key = key
        self.options = options
    }

    func run() async throws(StorageError) -> StoredObject {
        if let object = try await attempt() { return object }
        for _ in 1..<Self.attempts {
            // What was found was replaced, or late.
            let meta = try bucket.check(try await bucket.meta(key, atLeader: true), key, options.ifMatch)
            if let object = try await object(meta, try chunk(of: meta)) { return object }
        }
        throw StorageError(.unavailable, "“\(key)” is replaced faster than it can be read; try again")
    }

    /// Nil where the object was replaced between its meta message and its chunk.
    private func attempt() async throws(StorageError) -> StoredObject? {
        if let index, index.isLive { return try await attempt(index) }
        index?.start()
        let meta = try await bucket.live(key, ifMatch: options.ifMatch)
        return try await object(meta, try chunk(of: meta))
    }

    /// Asks for the chunk that is probably wanted, and whether it is, both at once.
    private func attempt(_ index: LiveIndex) async throws(StorageError) -> StoredObject? {
        let hint = index.hint(key)
        var early: PendingMessage?
        do throws(StorageError) {
            let newest = try await index.newest(key) { () throws(NATSError) in
                early = try hint.flatMap { hint throws(NATSError) in try start(hint) }
            }
            let meta = try bucket.check(newest, key, options.ifMatch)
            if meta.sequence == hint?.sequence, meta.meta.nuid == hint?.meta.nuid {
                return try await object(meta, early)
            }
            early?.withdraw()
            return try await object(meta, try chunk(of: meta))
        } catch {
            early?.withdraw()
            throw error
        }
    }

    /// Asks for an object's only chunk; nil where it has none, or more.
    private func chunk(of meta: StoredMeta) throws(StorageError) -> PendingMessage? {
        do throws(NATSError) {
            return try start(meta)
        } catch {
            throw StorageError(error, bucket: bucket.name)
        }
    }

    private func start(_ meta: StoredMeta) throws(NATSError) -> PendingMessage? {
        guard meta.meta.chunks == 1, meta.meta.link == nil, meta.isLive(at: .now) else { return nil }
        return try bucket.startOnlyChunk(of: meta.meta.nuid)
    }

    private func object(_ meta: StoredMeta, _ chunk: PendingMessage?) async throws(StorageError) -> StoredObject? {
        if let link = meta.meta.link {
            return try await store.follow(link, from: key, depth: depth) {
                store, target, depth async throws(StorageError) in
                try await Get(store, target, options, depth: depth).run()
            }
        }
        let info = meta.info
        let range = try options.range?.resolve(size: info.size) ?? 0..<info.size
        guard let chunk else {
            let body = ChunkReader.body(of: meta, range, in: bucket, verify: options.verify)
            return StoredObject(info: info, range: range, body: body)
        }
        let bytes = try await mapped(bucket.name) { () async throws(NATSError) -> [UInt8]? in
            do throws(NATSError) {
                if let bytes = try await chunk.payload() { return bytes }
            } catch {
                guard await bucket.mayAskOtherwise(error) else { throw error }
            }
            return try await bucket.chunkAtLeader(bucket.format.chunks(of: meta.meta.nuid), from: 1)?.payload
        }
        guard let bytes else {
            if !bucket.readsAnyReplica { try await index?.lookUp(key) }
            let current = try await bucket.meta(key, atLeader: true)
            if current?.sequence != meta.sequence { return nil }
            throw StorageError(.internal, "“\(key)” is damaged: its only chunk is missing")
        }
        try verify(bytes, info)
        let part = range.count == bytes.count ? bytes : Array(bytes[range])
        return StoredObject(info: info, range: range, body: ObjectBody(part))
    }

    private func verify(_ bytes: [UInt8], _ info: ObjectInfo) throws(StorageError) {
        guard bytes.count == info.size else {
            throw StorageError(.internal, "“\(key)” is damaged: it has \(bytes.count) of \(info.size) bytes")
        }
        guard options.verify, options.range == nil, let expected = info.digest else { return }
        let digest = Digest(of: bytes)
        guard digest == expected else {
            throw StorageError(
                .internal, "“\(key)” is damaged: its \(bytes.count) bytes hash to \(digest), not to \(expected)")
        }
    }
}
