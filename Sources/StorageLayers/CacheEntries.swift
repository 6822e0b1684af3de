import Storage

/// What a cache knows of a key, never changed: a class, since copying an info's many parts costs more than finding it.
final class CacheEntry: Sendable {
    /// nil: there is no object.
    let info: ObjectInfo?
    /// nil: only the info is known.
    let bytes: [UInt8]?
    /// When it is too old; nil: never.
    let deadline: ContinuousClock.Instant?
    /// The bytes it takes, as the cache's bound counts them.
    let cost: Int

    init(key: ObjectKey, info: ObjectInfo?, bytes: [UInt8]?, deadline: ContinuousClock.Instant?) {
        self.info = info
        self.bytes = bytes
        self.deadline = deadline
        let metadata = info?.attributes.metadata.reduce(0) { sum, entry in
            entry.value.reduce(sum + entry.key.utf8.count) { $0 + $1.utf8.count }
        }
        cost = 2 * key.rawValue.utf8.count + (bytes?.count ?? 0) + (metadata ?? 0)
    }
}

/// Entries by key, in a list from the one that leaves last to the one that leaves first.
struct CacheEntries {
    private struct Found {
        var entry: CacheEntry
        let place: Int
    }

    private let maxEntries: Int
    private let maxBytes: Int
    private let tracksUse: Bool
    private var found: [ObjectKey: Found] = [:]
    private var recency = RecencyList()
    private(set) var byteCount = 0

    /// - Parameter tracksUse: whether what is read moves to the end that leaves last.
    init(maxEntries: Int, maxBytes: Int, tracksUse: Bool) {
        self.maxEntries = max(0, maxEntries)
        self.maxBytes = max(0, maxBytes)
        self.tracksUse = tracksUse
    }

    var count: Int { found.count }

    func peek(_ key: ObjectKey) -> CacheEntry? { found[key]?.entry }

    mutating func use(_ key: ObjectKey) -> CacheEntry? {
        guard let found = found[key] else { return nil }
        if tracksUse { recency.use(found.place) }
        return found.entry
    }

    /// Stores an entry and drops others for it; how many. One that is larger than all the room is not stored.
    mutating func insert(_ entry: CacheEntry, _ key: ObjectKey) -> Int {
        _ = remove(key)
        guard entry.cost <= maxBytes, maxEntries > 0 else { return 0 }
        var dropped = 0
        while count >= maxEntries || byteCount + entry.cost > maxBytes {
            guard let key = recency.last, remove(key) else { break }
            dropped += 1
        }
        found[key] = Found(entry: entry, place: recency.insert(key))
        byteCount += entry.cost
        return dropped
    }

    /// Whether there was one.
    mutating func remove(_ key: ObjectKey) -> Bool {
        guard let removed = found.removeValue(forKey: key) else { return false }
        recency.remove(removed.place)
        byteCount -= removed.entry.cost
        return true
    }

    mutating func removeAll() {
        self = CacheEntries(maxEntries: maxEntries, maxBytes: maxBytes, tracksUse: tracksUse)
    }
}
