import FoundationEssentials
import NATS
import Storage

extension JetStreamStore {
    /// One page without an index: every meta message is read, and the keys that belong to the page are kept.
    func serverPage(_ query: ListQuery) async throws(StorageError) -> ListPage {
        while true {
            var found = FirstKeys(query, bucket)
            try await bucket.forEachMeta { found.take($0) }
            if let page = found.page() { return page }
        }
    }
}

/// The first keys of a listing, out of messages in any order, but a key's newest last; holds a few pages at most.
private struct FirstKeys {
    private let query: ListQuery
    private let bucket: Bucket
    private var entries: [ObjectKey: StoredMeta] = [:]
    /// No key after it can belong to the page.
    private var bound: ObjectKey?

    init(_ query: ListQuery, _ bucket: Bucket) {
        self.query = query
        self.bucket = bucket
    }

    mutating func take(_ message: StoredMessage) {
        guard let key = bucket.format.key(ofMeta: message.subject), bound.map({ !($0 < key) }) ?? true,
            query.admits(key), query.startAfter.map({ $0.utf8Precedes(key.rawValue) }) ?? true
        else { return }
        entries[key] = (try? StoredMeta(message, key: key)).flatMap { bucket.holds($0, at: .now) ? $0 : nil }
        if entries.count > 2 * (query.limit + 1) { trim() }
    }

    /// Nil where so many were deleted meanwhile that others, which were let go, would belong to it.
    func page() -> ListPage? {
        var order = SortedKeys()
        entries.keys.forEach { order.insert($0) }
        var builder = ListPageBuilder(query)
        order.walk(from: query.lowerBound) { key in
            entries[key].map { entry in builder.add(key) { entry.info } } ?? .next
        }
        let page = builder.result
        return bound != nil && page.next == nil ? nil : page
    }

    /// Keeps what fills one page and shows that there is another. Of keys that share a prefix one is enough.
    private mutating func trim() {
        var kept: [ObjectKey] = []
        var prefix: String?
        for key in entries.keys.sorted() {
            let common = query.commonPrefix(of: key)
            if let common, prefix.map(common.utf8IsEqual) ?? false { entries[key] = nil; continue }
            prefix = common
            kept.append(key)
        }
        guard kept.count > query.limit + 1 else { return }
        bound = kept[query.limit]
        for key in kept[(query.limit + 1)...] { entries[key] = nil }
    }
}
