public import FoundationEssentials
import Synchronization

/// Objects in memory: for tests, caches and small ephemeral data. Gone with the process.
///
/// Every operation is one step under a lock: puts and deletes are linearizable, a listing is a snapshot. An expired
/// object is not found from then on, and its memory is freed by later puts and listings.
public final class MemoryStore: Store {
    /// Told of an object that was dropped to make room for another, after that one is visible.
    public typealias EvictionHandler = @Sendable (ObjectInfo) -> Void

    private let limits: Limits
    let now: @Sendable () -> Date
    private let onEviction: EvictionHandler
    let contents: Mutex<MemoryContents>

    /// An empty store.
    ///
    /// - Parameters:
    ///   - limits: how much it holds; unbounded unless given.
    ///   - now: the clock by which objects expire.
    ///   - onEviction: told of each object that was evicted, by the put that took its place.
    public convenience init(
        limits: Limits = Limits(), now: @escaping @Sendable () -> Date = { Date.now },
        onEviction: @escaping EvictionHandler = { _ in }
    ) {
        // Nobody who knows versions of an earlier process, or of another one, takes them for those of this store.
        self.init(limits: limits, now: now, onEviction: onEviction, firstVersion: .random(in: 1..<1 << 60))
    }

    /// The same, whose versions count from `firstVersion`.
    package init(
        limits: Limits = Limits(), now: @escaping @Sendable () -> Date = { Date.now },
        onEviction: @escaping EvictionHandler = { _ in }, firstVersion: Int
    ) {
        self.limits = limits
        self.now = now
        self.onEviction = onEviction
        contents = Mutex(MemoryContents(limits, ChangeHub(), firstVersion: firstVersion))
    }

    /// What the store holds now, and what it did since it was made.
    public var statistics: Statistics {
        let now = now()
        return contents.withLock { $0.statistics(now: now) }
    }

    public var capabilities: Capabilities { [.createOnly, .compareAndSwap, .timeToLive, .metadataUpdate, .messageID] }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            try options.validate()
            var reader = BodyReader(body)
            var bytes: [UInt8] = []
            while let chunk = try await reader.next(1 << 20) {
                guard bytes.count + chunk.count <= limits.maxBytes else { throw tooLarge }
                if bytes.isEmpty { bytes = chunk } else { bytes += chunk }
            }
            let digest = try await reader.finish(expected: options.expectedDigest)
            guard !Task.isCancelled else { throw StorageError.cancelled }
            let draft = MemoryContents.Draft(key: key, bytes: bytes, digest: digest, options: options, now: now())
            let stored = try contents.withLock { contents throws(StorageError) in try contents.put(draft) }
            stored.evicted.forEach(onEviction)
            return stored.info
        } catch {
            throw error.during(.put, key: key)
        }
    }

    private var tooLarge: StorageError {
        StorageError(.tooLarge, "the object has more bytes than the memory store's limit of \(limits.maxBytes)")
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        do throws(StorageError) {
            let entry = try contents.withLock { contents throws(StorageError) in
                try contents.entry(key, ifMatch: options.ifMatch, now: now)
            }
            let range = try options.range?.resolve(size: entry.bytes.count) ?? 0..<entry.bytes.count
            let bytes = range.count == entry.bytes.count ? entry.bytes : Array(entry.bytes[range])
            return StoredObject(info: entry.info, range: range, body: ObjectBody(bytes))
        } catch {
            throw error.during(.get, key: key)
        }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            return try contents.withLock { contents throws(StorageError) in
                try contents.entry(key, ifMatch: options.ifMatch, now: now).info
            }
        } catch {
            throw error.during(.info, key: key)
        }
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            let now = now()
            return try contents.withLock { contents throws(StorageError) in
                try contents.delete(key, options, now: now)
            }
        } catch {
            throw error.during(.delete, key: key)
        }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try query.validate()
        let now = now()
        do throws(StorageError) {
            return try contents.withLock { contents throws(StorageError) in try contents.page(query, now: now) }
        } catch {
            throw error.during(.list)
        }
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            let now = now()
            return try contents.withLock { contents throws(StorageError) in
                try contents.setAttributes(key, attributes, options.precondition, now: now)
            }
        } catch {
            throw error.during(.setMetadata, key: key)
        }
    }

    /// Drops every object and ends every watch; later operations throw `unavailable`.
    public func shutdown() async {
        contents.withLock { $0.shutDown() }
    }
}
