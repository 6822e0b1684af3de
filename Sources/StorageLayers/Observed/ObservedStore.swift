public import Storage

/// How an ``ObservedStore`` tells of changes.
public struct ObserveOptions: Sendable, Hashable {
    /// What becomes of changes that a watcher does not read in time.
    public enum Overflow: Sendable, Hashable {
        /// They are dropped, counted, and told as `StoreChange.lagged(dropped:)`: no writer ever waits.
        case drop
        /// None is lost: a write returns only when there is room for its change again. A watcher that stops reading, and
        /// is not let go of, holds every writer back.
        case block
    }

    /// In how many parts keys are kept in order, by their hashes: ends of writes of different parts don't wait for one
    /// another. 1 to 1024.
    public var shards: Int
    /// How many changes wait for a watcher at most, even if it asks for more. 1 to 1,048,576.
    public var buffer: Int
    /// What becomes of those beyond. A base that can be followed itself drops by its own rules; with `block` only what is
    /// changed through this layer is told.
    public var overflow: Overflow

    /// These unless told otherwise.
    public init(shards: Int = 8, buffer: Int = 4096, overflow: Overflow = .drop) {
        self.shards = shards
        self.buffer = buffer
        self.overflow = overflow
    }
}

/// A layer that tells of what happens in the store beneath: watches, hooks before reads and after writes, and locks by
/// path.
///
/// Nothing of what is stored or returned is changed by it.
public final class ObservedStore: WatchableStore, StoreLayer {
    /// What is about to be read.
    public enum Reading: Sendable, Hashable {
        /// An object, or its info.
        case object(ObjectKey)
        /// A listing.
        case listing(ListQuery)
    }

    /// What is done beside the operations.
    public struct Hooks: Sendable {
        /// Called before each read; where it throws, the read does too, without having happened.
        public var beforeRead: (@Sendable (Reading) async throws(StorageError) -> Void)?
        /// Called after each write of this layer that changed something, before the write returns. Of writes of one key
        /// that overlap the calls may overlap too; who needs them in order watches.
        public var afterWrite: (@Sendable (StoreChange) async -> Void)?

        /// None unless given.
        public init(
            beforeRead: (@Sendable (Reading) async throws(StorageError) -> Void)? = nil,
            afterWrite: (@Sendable (StoreChange) async -> Void)? = nil
        ) {
            self.beforeRead = beforeRead
            self.afterWrite = afterWrite
        }
    }

    /// Locks that keep those apart who ask for them.
    public let locks = PathLocks()

    public var beneath: [any Store] { [base] }

    let base: any Store
    let hooks: Hooks
    let options: ObserveOptions
    let announcer: Announcer

    /// `base`, observed.
    ///
    /// - Parameter hooks: what is called beside the operations.
    public init(_ base: any Store, hooks: Hooks = Hooks(), _ options: ObserveOptions = ObserveOptions()) {
        self.base = base
        self.hooks = hooks
        self.options = options
        announcer = Announcer(base, shards: min(options.shards, 1024))
    }

    public var capabilities: Capabilities { base.capabilities }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        try checkActive(.put, key)
        return try await announcer.announce(key, hooks.afterWrite) { () async throws(StorageError) in
            let info = try await base.put(key, body, options: options)
            // A message id that is known: the info may be of long ago, and nothing has changed.
            return (info, options.mayRepeat ? .unknown(.put(info)) : .changed(.put(info)))
        }
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try checkActive(.get, key)
        try await hooks.beforeRead?(.object(key))
        return try await base.get(key, options: options)
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try checkActive(.info, key)
        try await hooks.beforeRead?(.object(key))
        return try await base.info(key, options: options)
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try checkActive(.delete, key)
        return try await announcer.announce(key, hooks.afterWrite) { () async throws(StorageError) in
            let existed = try await base.delete(key, options: options)
            return (existed, existed ? .changed(.deleted(key)) : .nothing)
        }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try checkActive(.list, nil)
        try await hooks.beforeRead?(.listing(query))
        return try await base.list(query)
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try checkActive(.setMetadata, key)
        return try await announcer.announce(key, hooks.afterWrite) { () async throws(StorageError) in
            let info = try await base.setMetadata(key, attributes, options: options)
            return (info, .changed(.put(info)))
        }
    }

    /// Ends every watch, and shuts the store beneath down; later operations throw
    /// `StorageError.notActive`.
    public func shutdown() async {
        announcer.finish()
        await base.shutdown()
    }

    func checkActive(_ operation: StorageError.Operation, _ key: ObjectKey?) throws(StorageError) {
        if announcer.isFinished { throw StorageError.notActive.during(operation, key: key) }
    }

    /// Holds the lock of `key` while `body` runs; see ``PathLocks``.
    ///
    /// - Throws: `timeout` with the holder's name; `cancelled`; what `body` throws.
    public func withLock<Value: Sendable>(
        _ key: ObjectKey, owner: String, timeout: Duration? = nil,
        _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        try await locks.withLock(key, owner: owner, timeout: timeout, body)
    }
}
