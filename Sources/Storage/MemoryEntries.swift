/// Entries by key, in a list from the one used last to the one used longest ago.
///
/// Over a million keys a lookup costs what it fetches from memory: so an entry lies beside its key, and its place in the
/// list is touched only where reading counts as use.
struct MemoryEntries {
    private struct Found {
        var entry: MemoryContents.Entry
        /// Where it is in the list.
        let place: Int
    }

    private let tracksUse: Bool
    private var entries: [ObjectKey: Found] = [:]
    private var recency = RecencyList()
    /// The bytes of all entries together.
    private(set) var byteCount = 0

    /// Without `tracksUse` only writing counts as use, and reading is cheaper.
    init(tracksUse: Bool) {
        self.tracksUse = tracksUse
    }

    var count: Int { entries.count }

    func info(_ key: ObjectKey) -> ObjectInfo? {
        entries[key]?.entry.info
    }

    func entry(_ key: ObjectKey) -> MemoryContents.Entry? {
        entries[key]?.entry
    }

    /// The entry under `key`, which becomes the one used last.
    mutating func use(_ key: ObjectKey) -> MemoryContents.Entry? {
        guard let found = entries[key] else { return nil }
        if tracksUse { recency.use(found.place) }
        return found.entry
    }

    /// Stores an entry under its key; whether the key is new.
    mutating func set(_ entry: MemoryContents.Entry) -> Bool {
        let key = entry.info.key
        byteCount += entry.bytes.count
        if let old = entries[key] {
            byteCount -= old.entry.bytes.count
            entries[key] = Found(entry: entry, place: old.place)
            recency.use(old.place)
            return false
        }
        entries[key] = Found(entry: entry, place: recency.insert(key))
        return true
    }

    /// Changes the info of an entry that is there.
    mutating func setInfo(_ info: ObjectInfo) {
        guard let old = entries[info.key] else { return }
        _ = set(MemoryContents.Entry(info: info, bytes: old.entry.bytes))
    }

    /// Removes the entry under `key` and returns its info, if there was one.
    mutating func remove(_ key: ObjectKey) -> ObjectInfo? {
        guard let removed = entries.removeValue(forKey: key) else { return nil }
        recency.remove(removed.place)
        byteCount -= removed.entry.bytes.count
        return removed.entry.info
    }

    /// The info of the entry used longest ago, `key` aside.
    func leastRecentlyUsed(except key: ObjectKey) -> ObjectInfo? { recency.last(except: key).flatMap { info($0) } }
}
