import FoundationEssentials
import NATS
import Storage

/// The bucket's keys in order, brought up to date before each listing: one request tells whether there is anything
/// new, and only what is new is read. So a listing misses no object whose put was acknowledged before it began.
actor BucketIndex {
    private let bucket: Bucket
    private var order = SortedKeys()
    private var entries: [ObjectKey: StoredMeta] = [:]
    private var lastSequence: UInt64 = 0
    private var isRefreshing = false
    private var waiters: [CheckedContinuation<Void, Never>] = []

    init(_ bucket: Bucket) {
        self.bucket = bucket
    }

    func page(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try await refresh()
        let now = Date.now
        var builder = ListPageBuilder(query)
        order.forEach(from: query.lowerBound) { key in
            guard let entry = entries[key], isLive(entry, at: now) else { return true }
            return builder.add(entry.info)
        }
        return builder.result
    }

    /// Whether the bucket still holds the entry: its own expiry, and the bucket's, leave no message behind.
    private func isLive(_ entry: StoredMeta, at now: Date) -> Bool {
        guard entry.isLive(at: now) else { return false }
        return bucket.maxAge.map { entry.time.addingTimeInterval($0.seconds) > now } ?? true
    }

    private func refresh() async throws(StorageError) {
        // One at a time, and each caller one that began after its call.
        while isRefreshing { await withCheckedContinuation { waiters.append($0) } }
        isRefreshing = true
        defer {
            isRefreshing = false
            let resumed = waiters
            waiters = []
            resumed.forEach { $0.resume() }
        }
        let newest = try await bucket.message(.lastBySubject(bucket.format.allMeta))
        guard let newest else { return clear() }
        if newest.sequence < lastSequence { clear() }
        guard newest.sequence > lastSequence else { return }
        for message in try await bucket.metaMessages(from: lastSequence &+ 1) { apply(message) }
        lastSequence = max(lastSequence, newest.sequence)
    }

    private func clear() {
        order = SortedKeys()
        entries = [:]
        lastSequence = 0
    }

    private func apply(_ message: StoredMessage) {
        guard let key = bucket.format.key(ofMeta: message.subject), message.sequence > lastSequence else { return }
        lastSequence = message.sequence
        guard let meta = try? StoredMeta(message, key: key), !meta.isDeleted else {
            entries[key] = nil
            order.remove(key)
            return
        }
        if entries.updateValue(meta, forKey: key) == nil { order.insert(key) }
    }
}
