import DequeModule
import FoundationEssentials

/// What a memory store holds, as a plain value: each change is one call.
struct MemoryContents {
    /// An object, never changed: a class, since copying an info's many parts costs more than finding it.
    final class Entry: Sendable {
        let info: ObjectInfo
        let bytes: [UInt8]

        init(info: ObjectInfo, bytes: [UInt8]) {
            self.info = info
            self.bytes = bytes
        }
    }

    /// A put, ready to happen.
    struct Draft {
        let key: ObjectKey
        let bytes: [UInt8]
        let digest: Digest
        let options: PutOptions
        let now: Date
    }

    /// How many objects that expired may wait to be told.
    private static let untoldLimit = 65_536
    /// How many expired objects one put drops: more than it can add, and never a long pause.
    private static let droppedByPut = 16

    private let limits: MemoryStore.Limits
    private let hub: ChangeHub
    private var entries: MemoryEntries
    private var order = SortedKeys()
    private var expiries = ExpiryOrder()
    private var counters = MemoryStore.Statistics()
    private var lastVersion: Int
    private var recentIDs = RecentIDs()
    private var isShutDown = false
    /// Objects that expired and were not told; kept from the first time that somebody asks.
    private var untold: Deque<ObjectInfo>?

    init(_ limits: MemoryStore.Limits, _ hub: ChangeHub, firstVersion: Int) {
        lastVersion = firstVersion - 1
        self.limits = limits
        self.hub = hub
        entries = MemoryEntries(tracksUse: limits.whenFull == .evictLeastRecentlyUsed && limits.isBounded)
    }

    // MARK: Changes

    /// The info of what was stored, and of what had to go for it.
    mutating func put(_ draft: Draft) throws(StorageError) -> (info: ObjectInfo, evicted: [ObjectInfo]) {
        try checkOpen()
        if let id = draft.options.messageID, let first = recentIDs.info(of: id, now: draft.now) { return (first, []) }
        dropExpired(before: draft.now, atMost: Self.droppedByPut)
        let current = live(draft.key, now: draft.now)
        try draft.options.precondition.check(current?.version, of: draft.key)
        let evicted = try makeRoom(for: draft)
        let info = info(of: draft)
        store(Entry(info: info, bytes: draft.bytes))
        counters.puts += 1
        if let id = draft.options.messageID { recentIDs.record(id, info, now: draft.now) }
        for info in evicted { hub.send(.deleted(info.key)) }
        hub.send(.put(info))
        return (info, evicted)
    }

    mutating func delete(_ key: ObjectKey, _ options: DeleteOptions, now: Date) throws(StorageError) -> Bool {
        try checkOpen()
        try options.validate()
        let current = live(key, now: now)
        try options.precondition.check(current?.version, of: key)
        guard current != nil else { return false }
        remove(key)
        counters.deletes += 1
        hub.send(.deleted(key))
        return true
    }

    mutating func setAttributes(
        _ key: ObjectKey, _ attributes: ObjectAttributes, _ precondition: Precondition, now: Date
    ) throws(StorageError) -> ObjectInfo {
        try checkOpen()
        guard var info = live(key, now: now) else { throw .notFound(key) }
        try precondition.check(info.version, of: key)
        info.attributes = attributes
        info.version = nextVersion()
        entries.setInfo(info)
        hub.send(.put(info))
        return info
    }

    /// Drops everything; all that comes later is `unavailable`.
    mutating func shutDown() {
        self = MemoryContents(limits, hub, firstVersion: lastVersion + 1)
        isShutDown = true
        hub.finish()
    }

    /// What expired since it was asked for last, as far as is remembered.
    mutating func takeExpired(now: Date) throws(StorageError) -> [ObjectInfo] {
        try checkOpen()
        if untold == nil { untold = [] }
        dropExpired(before: now, atMost: .max)
        defer { untold = [] }
        return Array(untold ?? [])
    }

    /// What the query admits now, and what changes from now on.
    func watch(_ query: WatchQuery, now: Date) throws(StorageError) -> (current: [Entry], changes: ChangeQueue) {
        try checkOpen()
        var current: [Entry] = []
        if query.start == .current {
            order.walk(from: query.prefix) { key in
                guard key.rawValue.utf8HasPrefix(query.prefix) else { return .stop }
                guard query.admits(key), let entry = entries.entry(key), !entry.info.isExpired(at: now) else {
                    return .next
                }
                current.append(entry)
                return .next
            }
        }
        return (current, hub.watch(query))
    }

    // MARK: Reads, which count and mark what was used

    mutating func entry(_ key: ObjectKey, ifMatch: Version?, now: () -> Date) throws(StorageError) -> Entry {
        try checkOpen()
        // Most objects never expire: no need to ask for the time.
        guard let entry = entries.use(key), entry.info.expires == nil || !entry.info.isExpired(at: now()) else {
            counters.misses += 1
            throw .notFound(key)
        }
        counters.hits += 1
        try Precondition(ifMatch: ifMatch).check(entry.info.version, of: key)
        return entry
    }

    mutating func page(_ query: ListQuery, now: Date) throws(StorageError) -> ListPage {
        try checkOpen()
        dropExpired(before: now, atMost: .max)
        var builder = ListPageBuilder(query)
        // Whatever has expired was dropped: without details the keys are all there is to read.
        order.walk(from: query.lowerBound) { key in builder.add(key) { entries.info(key) } }
        return builder.result
    }

    mutating func statistics(now: Date) -> MemoryStore.Statistics {
        dropExpired(before: now, atMost: .max)
        var statistics = counters
        statistics.entries = entries.count
        statistics.bytes = entries.byteCount
        return statistics
    }

    // MARK: Steps

    private func checkOpen() throws(StorageError) {
        if isShutDown { throw StorageError(.unavailable, "the memory store is shut down") }
    }

    private func live(_ key: ObjectKey, now: Date) -> ObjectInfo? {
        entries.info(key).flatMap { $0.isExpired(at: now) ? nil : $0 }
    }

    /// Drops what has expired and, where that is not enough, evicts what was used longest ago.
    private mutating func makeRoom(for draft: Draft) throws(StorageError) -> [ObjectInfo] {
        let replaced = entries.info(draft.key)
        let entriesNeeded = replaced == nil ? 1 : 0
        let bytesNeeded = draft.bytes.count - (replaced?.size ?? 0)
        var evicted: [ObjectInfo] = []
        if !hasRoom(entriesNeeded, bytesNeeded) { dropExpired(before: draft.now, atMost: .max, except: draft.key) }
        while !hasRoom(entriesNeeded, bytesNeeded) {
            guard limits.whenFull == .evictLeastRecentlyUsed, let oldest = entries.leastRecentlyUsed(except: draft.key)
            else { throw StorageError(.unavailable, "the memory store is full; delete something or raise its limits") }
            remove(oldest.key)
            counters.evictions += 1
            evicted.append(oldest)
        }
        return evicted
    }

    private func hasRoom(_ entriesNeeded: Int, _ bytesNeeded: Int) -> Bool {
        entries.count + entriesNeeded <= limits.maxEntries && entries.byteCount + bytesNeeded <= limits.maxBytes
    }

    private mutating func dropExpired(before now: Date, atMost count: Int, except kept: ObjectKey? = nil) {
        var left = count
        while left > 0, let key = expiries.first(at: now, except: kept) {
            expire(key)
            left -= 1
        }
    }

    private mutating func expire(_ key: ObjectKey) {
        guard let info = remove(key) else { return }
        hub.send(.expired(key))
        guard untold != nil else { return }
        if untold?.count == Self.untoldLimit { untold?.removeFirst() }
        untold?.append(info)
    }

    private mutating func store(_ entry: Entry) {
        let key = entry.info.key
        if let old = entries.info(key) { old.expires.map { expiries.remove(key, at: $0) } }
        if let time = entry.info.expires { expiries.insert(key, at: time) }
        if entries.set(entry) { order.insert(key) }
    }

    @discardableResult
    private mutating func remove(_ key: ObjectKey) -> ObjectInfo? {
        guard let removed = entries.remove(key) else { return nil }
        order.remove(key)
        if let time = removed.expires { expiries.remove(key, at: time) }
        return removed
    }

    private mutating func info(of draft: Draft) -> ObjectInfo {
        ObjectInfo(
            key: draft.key, size: draft.bytes.count, version: nextVersion(), digest: draft.digest,
            modified: draft.now, expires: draft.options.timeToLive.map { draft.now.addingTimeInterval($0.seconds) },
            attributes: draft.options.attributes)
    }

    private mutating func nextVersion() -> Version {
        lastVersion += 1
        return Version(String(lastVersion))
    }
}
