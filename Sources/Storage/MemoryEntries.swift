/// Entries by key, in a list from the one used last to the one used longest ago.
struct MemoryEntries {
    private struct Slot {
        var entry: MemoryContents.Entry
        var newer: Int
        var older: Int
    }

    private static let none = -1

    private let tracksUse: Bool
    private var indices: [ObjectKey: Int] = [:]
    private var slots: [Slot?] = []
    private var free: [Int] = []
    private var newest = none
    private var oldest = none
    /// The bytes of all entries together.
    private(set) var byteCount = 0

    /// Without `tracksUse` only writing counts as use, and reading is cheaper.
    init(tracksUse: Bool) {
        self.tracksUse = tracksUse
    }

    var count: Int { indices.count }

    func info(_ key: ObjectKey) -> ObjectInfo? {
        indices[key].flatMap { slots[$0]?.entry.info }
    }

    /// The entry under `key`, which becomes the one used last.
    mutating func use(_ key: ObjectKey) -> MemoryContents.Entry? {
        guard let index = indices[key] else { return nil }
        if tracksUse { markUsed(index) }
        return slots[index]?.entry
    }

    /// Stores an entry under its key; whether the key is new.
    mutating func set(_ entry: MemoryContents.Entry) -> Bool {
        byteCount += entry.bytes.count
        if let index = indices[entry.info.key] {
            byteCount -= slots[index]?.entry.bytes.count ?? 0
            slots[index]?.entry = entry
            markUsed(index)
            return false
        }
        let slot = Slot(entry: entry, newer: Self.none, older: Self.none)
        let index = free.popLast() ?? slots.count
        if index < slots.count { slots[index] = slot } else { slots.append(slot) }
        indices[entry.info.key] = index
        linkNewest(index)
        return true
    }

    /// Changes the info of an entry that is there.
    mutating func setInfo(_ info: ObjectInfo) {
        guard let index = indices[info.key] else { return }
        slots[index]?.entry.info = info
        if tracksUse { markUsed(index) }
    }

    /// Removes the entry under `key` and returns its info, if there was one.
    mutating func remove(_ key: ObjectKey) -> ObjectInfo? {
        guard let index = indices.removeValue(forKey: key) else { return nil }
        unlink(index)
        let removed = slots[index]?.entry
        slots[index] = nil
        free.append(index)
        byteCount -= removed?.bytes.count ?? 0
        return removed?.info
    }

    /// The info of the entry used longest ago, `key` aside.
    func leastRecentlyUsed(except key: ObjectKey) -> ObjectInfo? {
        guard let last = slot(oldest) else { return nil }
        return last.entry.info.key == key ? slot(last.newer)?.entry.info : last.entry.info
    }

    private func slot(_ index: Int) -> Slot? { slots.indices.contains(index) ? slots[index] : nil }

    private mutating func markUsed(_ index: Int) {
        guard index != newest else { return }
        unlink(index)
        linkNewest(index)
    }

    private mutating func unlink(_ index: Int) {
        let (newer, older) = (slots[index]?.newer ?? Self.none, slots[index]?.older ?? Self.none)
        if newer == Self.none { newest = older } else { slots[newer]?.older = older }
        if older == Self.none { oldest = newer } else { slots[older]?.newer = newer }
    }

    private mutating func linkNewest(_ index: Int) {
        slots[index]?.newer = Self.none
        slots[index]?.older = newest
        if newest == Self.none { oldest = index } else { slots[newest]?.newer = index }
        newest = index
    }
}
