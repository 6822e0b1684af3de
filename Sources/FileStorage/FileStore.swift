public import FoundationEssentials
public import Storage

/// Objects as files in a folder, which any number of processes may share.
///
/// Each object is one file: its bytes, then its metadata. A put writes a temporary file, syncs it, renames it into
/// place and syncs the folder; so readers, and whoever comes after a crash, find the old object or the new one, whole.
/// Writers of one key exclude each other by a lock that ends with its holder, in this process or another, so that
/// compare-and-swap and create-only hold among all of them. Names of files are the keys' own, see `NameEncoding`.
///
/// No call blocks one of Swift's threads: what is in the kernel's cache is read in place by calls that can't block, all
/// else happens on a few threads of the store's own.
///
/// An error tells in its `cause`, a ``SystemError``, which system call failed. A full disk, no file descriptors and the
/// like are `unavailable`; a failing or damaged disk is `internal`. A change that was made but may not survive a power
/// failure, because syncing its folder failed, is `unavailable` too.
public final class FileStore: Store {
    /// Objects up to this size are read in one go, larger ones in such parts.
    private static let readAtOnce = 512 << 10

    let root: Root
    let threads: IOThreads
    let configuration: FileStoreConfiguration
    let writes: FileWrites
    let groupCommit: GroupCommit
    let expiries = Expiries()
    let now: @Sendable () -> Date

    /// Opens the folder, made where it is missing, and removes temporary files that were left behind in it.
    ///
    /// - Parameter now: the clock by which objects expire.
    /// - Throws: `invalid` for a folder of another kind, `unavailable` for one that can't be written.
    public static func open(
        _ configuration: FileStoreConfiguration, now: @escaping @Sendable () -> Date = { Date.now }
    ) async throws(StorageError) -> FileStore {
        do throws(StorageError) {
            let threads = try IOThreads(count: max(1, configuration.threads))
            let root = try await threads.run { () throws(StorageError) in try Root(configuration.path) }
            let store = FileStore(configuration, root, threads, now)
            try await store.removeTemporaries()
            Sweeper.schedule(store, every: configuration.sweepInterval)
            return store
        } catch {
            throw error.during(.open)
        }
    }

    private init(
        _ configuration: FileStoreConfiguration, _ root: Root, _ threads: IOThreads,
        _ now: @escaping @Sendable () -> Date
    ) {
        self.configuration = configuration
        self.root = root
        self.threads = threads
        self.now = now
        writes = FileWrites(root: root, folders: Folders(root.objects), durability: configuration.durability)
        groupCommit = GroupCommit(root.folder, threads)
    }

    public var capabilities: Capabilities { [.createOnly, .compareAndSwap, .timeToLive, .metadataUpdate, .messageID] }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        do throws(StorageError) {
            guard let found = try await find(key, wantsBytes: true) else { throw StorageError.notFound(key) }
            let info = try found.info.live(key, ifMatch: options.ifMatch, now: now)
            let range = try options.range?.resolve(size: info.size) ?? 0..<info.size
            let verify = configuration.verify && options.verify
            switch found.content {
            case .bytes(let bytes):
                if verify { try info.check(Digest(of: bytes)) }
                let part = range.count == info.size ? bytes : Array(bytes[range])
                return StoredObject(info: info, range: range, body: ObjectBody(part))
            case .file(let file):
                let body = ReadBody.body(info, range, verify: verify) { [threads] (rest) async throws(StorageError) in
                    let count = min(rest.count, Self.readAtOnce)
                    let bytes = try await threads.run { () throws(StorageError) in
                        try file.read(count, at: rest.lowerBound)
                    }
                    guard bytes.count == count else { throw StoredFile.damaged(key) }
                    return bytes
                }
                return StoredObject(info: info, range: range, body: body)
            }
        } catch {
            throw error.during(.get, key: key)
        }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            guard let found = try await find(key, wantsBytes: false) else { throw StorageError.notFound(key) }
            return try found.info.live(key, ifMatch: options.ifMatch, now: now)
        } catch {
            throw error.during(.info, key: key)
        }
    }

    /// What the object's file holds: at once where that lies in the kernel's cache, from an I/O thread otherwise.
    private func find(_ key: ObjectKey, wantsBytes: Bool) async throws(StorageError) -> FoundObject? {
        try root.checkOpen()
        if Task.isCancelled { throw StorageError.cancelled }
        let (objects, path) = (root.objects, root.names.path(of: key.rawValue))
        switch objects.withCachedFile(path, { FoundObject($0, of: key) }) {
        case .file(let found?): return found
        case .absent: return nil
        // What seems damaged deserves a whole look.
        case .file(nil), .unknown: break
        }
        return try await threads.run { () throws(StorageError) in
            let stored = try StoredFile.open(path, key, in: objects, bytesUpTo: wantsBytes ? Self.readAtOnce : 0)
            return stored.map { FoundObject($0, wantsBytes: wantsBytes) }
        }
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            try options.validate()
            return try await change { [writes, now] () throws(StorageError) in
                try writes.delete(key, options.precondition, now: now())
            }
        } catch {
            throw error.during(.delete, key: key)
        }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try query.validate()
        do throws(StorageError) {
            try root.checkOpen()
            if Task.isCancelled { throw StorageError.cancelled }
            let (root, now) = (root, now())
            return try await threads.run { () throws(StorageError) in
                var listing = FileListing(query, root, now: now)
                return try listing.page()
            }
        } catch {
            throw error.during(.list)
        }
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            return try await change { [writes, now] () throws(StorageError) in
                try writes.setAttributes(key, attributes, options.precondition, now: now())
            }
        } catch {
            throw error.during(.setMetadata, key: key)
        }
    }

    /// Runs a change, and makes it last where many do so together.
    private func change<Value: Sendable>(
        _ body: @escaping @Sendable () throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        try root.checkOpen()
        if Task.isCancelled { throw StorageError.cancelled }
        let value = try await threads.run(body)
        if configuration.durability == .batched {
            do throws(StorageError) { try await groupCommit.flush() } catch { throw error.afterCommit }
        }
        return value
    }

    /// Refuses later operations; those under way end. The folder's descriptors close with the last of them.
    public func shutdown() async {
        root.close()
    }

    /// Removes temporary files that were left behind, expired objects and forgotten message ids: what also happens on a
    /// schedule, but for objects that expired where somebody calls ``maintain()``, to be told of them.
    @discardableResult
    public func sweep() async throws(StorageError) -> SweepResult {
        try root.checkOpen()
        let sweeper = sweeper
        return try await threads.run { () throws(StorageError) in try sweeper.sweep() }
    }

    private func removeTemporaries() async throws(StorageError) {
        let sweeper = sweeper
        _ = try await threads.run { () throws(StorageError) in try sweeper.removeTemporaries() }
    }

    var sweeper: Sweeper {
        Sweeper(writes: writes, expiries: expiries, grace: configuration.temporaryGrace, now: now)
    }
}

extension FileStore: LocalStore {}
