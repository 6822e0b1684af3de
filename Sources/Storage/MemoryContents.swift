import FoundationEssentials

/// What a memory store holds, as a plain value: each change is one call.
struct MemoryContents {
    struct Entry {
        var info: ObjectInfo
        let bytes: [UInt8]
    }

    /// A put, ready to happen.
    struct Draft {
        let key: ObjectKey
        let bytes: [UInt8]
        let digest: Digest
        let options: PutOptions
        let now: Date
    }

    private var entries: [ObjectKey: Entry] = [:]
    private var order = SortedKeys()
    private var byteCount = 0
    private var lastVersion = 0
    private var recentIDs = RecentIDs()

    mutating func put(_ draft: Draft, _ limits: MemoryStore.Limits) throws(StorageError) -> ObjectInfo {
        if let id = draft.options.messageID, let first = recentIDs.info(of: id, now: draft.now) { return first }
        let current = live(draft.key, now: draft.now)
        let precondition = draft.options.precondition
        guard precondition.holds(for: current?.info.version) else {
            throw .preconditionFailed(key: draft.key, precondition, current: current?.info.version)
        }
        let replaced = entries[draft.key]
        guard byteCount - (replaced?.bytes.count ?? 0) + draft.bytes.count <= limits.maxBytes,
            replaced != nil || entries.count < limits.maxEntries
        else {
            throw StorageError(.unavailable, "the memory store is full; delete something or raise its limits")
        }
        let info = info(of: draft)
        entries[draft.key] = Entry(info: info, bytes: draft.bytes)
        if replaced == nil { order.insert(draft.key) }
        byteCount += draft.bytes.count - (replaced?.bytes.count ?? 0)
        if let id = draft.options.messageID { recentIDs.record(id, info, now: draft.now) }
        return info
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

    func entry(_ key: ObjectKey, ifMatch: Version?, now: Date) throws(StorageError) -> Entry {
        guard let entry = live(key, now: now) else { throw .notFound(key) }
        if let ifMatch, ifMatch != entry.info.version {
            throw .preconditionFailed(key: key, .matches(ifMatch), current: entry.info.version)
        }
        return entry
    }

    mutating func delete(_ key: ObjectKey, _ precondition: Precondition, now: Date) throws(StorageError) -> Bool {
        if precondition == .absent {
            throw StorageError(.invalid, "a delete can't ask that nothing is stored there")
        }
        let current = live(key, now: now)
        guard precondition.holds(for: current?.info.version) else {
            throw .preconditionFailed(key: key, precondition, current: current?.info.version)
        }
        if let removed = entries.removeValue(forKey: key) {
            order.remove(key)
            byteCount -= removed.bytes.count
        }
        return current != nil
    }

    mutating func setAttributes(
        _ key: ObjectKey, _ attributes: ObjectAttributes, _ precondition: Precondition, now: Date
    ) throws(StorageError) -> ObjectInfo {
        guard var entry = live(key, now: now) else { throw .notFound(key) }
        guard precondition.holds(for: entry.info.version) else {
            throw .preconditionFailed(key: key, precondition, current: entry.info.version)
        }
        entry.info.attributes = attributes
        entry.info.version = nextVersion()
        entries[key] = entry
        return entry.info
    }

    func page(_ query: ListQuery, now: Date) -> ListPage {
        var builder = ListPageBuilder(query)
        order.walk(from: query.lowerBound) { key in
            live(key, now: now).map { builder.add(key, info: $0.info) } ?? .next
        }
        return builder.result
    }

    private func live(_ key: ObjectKey, now: Date) -> Entry? {
        entries[key].flatMap { $0.info.isExpired(at: now) ? nil : $0 }
    }
}

/// The ids of recent puts and what they stored, for two minutes and at most 65,536 of them.
private struct RecentIDs {
    private static let window: TimeInterval = 120
    private static let capacity = 65_536
    private var infos: [String: (info: ObjectInfo, recorded: Date)] = [:]
    private var queue: [(id: String, recorded: Date)] = []
    private var head = 0

    func info(of id: String, now: Date) -> ObjectInfo? {
        infos[id].flatMap { now.timeIntervalSince($0.recorded) <= Self.window ? $0.info : nil }
    }

    mutating func record(_ id: String, _ info: ObjectInfo, now: Date) {
        infos[id] = (info, now)
        queue.append((id, now))
        while head < queue.count,
            queue.count - head > Self.capacity || now.timeIntervalSince(queue[head].recorded) > Self.window
        {
            let oldest = queue[head]
            if infos[oldest.id]?.recorded == oldest.recorded { infos[oldest.id] = nil }
            head += 1
        }
        if head > 1024 && head > queue.count / 2 {
            queue.removeFirst(head)
            head = 0
        }
    }
}

extension Duration {
    /// In seconds, fractions included.
    package var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
