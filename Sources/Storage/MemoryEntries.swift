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

    private struct Place {
        var key: ObjectKey
        var newer = none
        var older = none
    }

    private static let none = -1

    private let tracksUse: Bool
    private var entries: [ObjectKey: Found] = [:]
    private var places: [Place?] = []
    private var free: [Int] = []
    private var newest = none
    private var oldest = none
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
        if tracksUse { markUsed(found.place) }
        return found.entry
    }

    /// Stores an entry under its key; whether the key is new.
    mutating func set(_ entry: MemoryContents.Entry) -> Bool {
        let key = entry.info.key
        byteCount += entry.bytes.count
        if let old = entries[key] {
            byteCount -= old.entry.bytes.count
            entries[key] = Found(entry: entry, place: old.place)
            markUsed(old.place)
            return false
        }
        let place = free.popLast() ?? places.count
        if place < places.count { places[place] = Place(key: key) } else { places.append(Place(key: key)) }
        entries[key] = Found(entry: entry, place: place)
        linkNewest(place)
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
        unlink(removed.place)
        places[removed.place] = nil
        free.append(removed.place)
        byteCount -= removed.entry.bytes.count
        return removed.entry.info
    }

    /// The info of the entry used longest ago, `key` aside.
    func leastRecentlyUsed(except key: ObjectKey) -> ObjectInfo? {
        guard let last = place(oldest) else { return nil }
        return last.key == key ? place(last.newer).flatMap { info($0.key) } : info(last.key)
    }

    private func place(_ index: Int) -> Place? { places.indices.contains(index) ? places[index] : nil }

    private mutating func markUsed(_ index: Int) {
        guard index != newest else { return }
        unlink(index)
        linkNewest(index)
    }

    private mutating func unlink(_ index: Int) {
        let (newer, older) = (places[index]?.newer ?? Self.none, places[index]?.older ?? Self.none)
        if newer == Self.none { newest = older } else { places[newer]?.older = older }
        if older == Self.none { oldest = newer } else { places[older]?.newer = newer }
    }

    private mutating func linkNewest(_ index: Int) {
        places[index]?.newer = Self.none
        places[index]?.older = newest
        if newest == Self.none { oldest = index } else { places[newest]?.newer = index }
        newest = index
    }
}
