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

    private struct Place {
        var key: ObjectKey?
        var newer = none
        var older = none
    }

    private static let none = -1

    private let maxEntries: Int
    private let maxBytes: Int
    private let tracksUse: Bool
    private var found: [ObjectKey: Found] = [:]
    private var places: [Place] = []
    private var free: [Int] = []
    private var newest = none
    private var oldest = none
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
        if tracksUse, found.place != newest {
            unlink(found.place)
            linkNewest(found.place)
        }
        return found.entry
    }

    /// Stores an entry and drops others for it; how many. One that is larger than all the room is not stored.
    mutating func insert(_ entry: CacheEntry, _ key: ObjectKey) -> Int {
        _ = remove(key)
        guard entry.cost <= maxBytes, maxEntries > 0 else { return 0 }
        var dropped = 0
        while count >= maxEntries || byteCount + entry.cost > maxBytes {
            guard oldest != Self.none, let key = places[oldest].key, remove(key) else { break }
            dropped += 1
        }
        let place = free.popLast() ?? places.count
        if place == places.count { places.append(Place(key: key)) } else { places[place].key = key }
        found[key] = Found(entry: entry, place: place)
        byteCount += entry.cost
        linkNewest(place)
        return dropped
    }

    /// Whether there was one.
    mutating func remove(_ key: ObjectKey) -> Bool {
        guard let removed = found.removeValue(forKey: key) else { return false }
        unlink(removed.place)
        places[removed.place].key = nil
        free.append(removed.place)
        byteCount -= removed.entry.cost
        return true
    }

    mutating func removeAll() {
        self = CacheEntries(maxEntries: maxEntries, maxBytes: maxBytes, tracksUse: tracksUse)
    }

    private mutating func unlink(_ place: Int) {
        let (newer, older) = (places[place].newer, places[place].older)
        if newer == Self.none { newest = older } else { places[newer].older = older }
        if older == Self.none { oldest = newer } else { places[older].newer = newer }
    }

    private mutating func linkNewest(_ place: Int) {
        places[place].newer = Self.none
        places[place].older = newest
        if newest == Self.none { oldest = place } else { places[newest].newer = place }
        newest = place
    }
}
