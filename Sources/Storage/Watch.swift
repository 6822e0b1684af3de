/// A store whose changes can be followed as they happen, whoever makes them.
public protocol WatchableStore: Store {
    /// What changes from the call on, one reader at a time.
    ///
    /// Changes of one key come in the order in which they became visible. Of changes that follow quickly on one
    /// another the last is always told; those before it may be left out. A change is told once it is visible: a read
    /// of its key behind it finds that version or a later one. Letting go of the result ends the watch.
    ///
    /// - Throws: `invalid` for a query out of range, `unavailable`, `timeout`.
    func watch(_ query: WatchQuery) async throws(StorageError) -> StoreChanges
}

/// What to watch, and from where on.
public struct WatchQuery: Sendable, Hashable {
    /// What a watch begins with.
    public enum Start: Sendable, Hashable {
        /// Changes after the call only.
        case now
        /// The objects that are there, in no particular order, then ``StoreChange/caughtUp``, then changes.
        case current
    }

    /// Keys that begin with these bytes; empty: all.
    public var prefix: String
    /// Keys that match too.
    public var pattern: KeyPattern?
    /// What it begins with.
    public var start: Start
    /// How many changes may wait to be read: 1…1,048,576. What comes beyond is dropped and told as
    /// ``StoreChange/lagged(dropped:)``; a store that reads its changes from elsewhere lets them wait there.
    public var capacity: Int

    /// Every change from now on unless told otherwise.
    public init(prefix: String = "", pattern: KeyPattern? = nil, start: Start = .now, capacity: Int = 4096) {
        self.prefix = prefix
        self.pattern = pattern
        self.start = start
        self.capacity = capacity
    }

    /// Throws `invalid` for a capacity out of range.
    public func validate() throws(StorageError) {
        guard (1...1 << 20).contains(capacity) else {
            throw StorageError(.invalid, "a watch's capacity of \(capacity) is not in 1…1,048,576", operation: .watch)
        }
    }

    /// Whether changes of `key` are wanted.
    public func admits(_ key: ObjectKey) -> Bool {
        key.rawValue.utf8HasPrefix(prefix) && (pattern?.matches(key) ?? true)
    }
}

/// What a watch tells.
public enum StoreChange: Sendable, Hashable {
    /// This version is stored, or its attributes were replaced.
    case put(ObjectInfo)
    /// Nothing is stored there any more.
    case deleted(ObjectKey)
    /// The object's time was over: it is not found any more.
    case expired(ObjectKey)
    /// Every object that was there when the watch began has been told.
    case caughtUp
    /// So many changes, of whichever keys, were dropped here since they were not read in time.
    case lagged(dropped: Int)

    /// Whose change it is; nil where it is nobody's.
    public var key: ObjectKey? {
        switch self {
        case .put(let info): info.key
        case .deleted(let key), .expired(let key): key
        case .caughtUp, .lagged: nil
        }
    }
}

/// The changes of a watch, for one reader. It ends with the store's shutdown.
public struct StoreChanges: AsyncSequence, Sendable {
    public typealias Element = StoreChange
    public typealias Failure = StorageError

    private let source: @Sendable () async throws(StorageError) -> StoreChange?

    /// The changes that `source` returns one after another, until nil.
    public init(_ source: @escaping @Sendable () async throws(StorageError) -> StoreChange?) {
        self.source = source
    }

    /// Reads one change after another.
    public struct AsyncIterator: AsyncIteratorProtocol {
        public typealias Failure = StorageError

        fileprivate let source: @Sendable () async throws(StorageError) -> StoreChange?

        /// The next change, or nil after the store's shutdown.
        ///
        /// - Throws: `cancelled`; `unavailable` where the store can't be followed any more.
        public func next() async throws(StorageError) -> StoreChange? { try await source() }
    }

    /// Its reader; there is no more than one at a time.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(source: source) }
}
