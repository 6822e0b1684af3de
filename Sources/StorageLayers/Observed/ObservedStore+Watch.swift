public import Storage
import Synchronization

extension ObservedStore {
    /// What changes: as the store beneath tells it, whoever makes the changes, where it can be followed itself and what
    /// is not read in time may be dropped; otherwise what is changed through this layer, as
    /// ``watchOwn(_:overflow:)`` tells it.
    public func watch(_ query: WatchQuery) async throws(StorageError) -> StoreChanges {
        try checkActive(.watch, nil)
        if options.overflow == .drop, let watch = base.anyWatcher { return try await watch(bounded(query)) }
        return try await watchOwn(query, overflow: options.overflow)
    }

    /// What is changed through this layer: puts, changes of attributes and deletes; what expires is not told.
    ///
    /// Changes of a key come in the order in which they became visible. Where writes of a key overlap, or one ends without
    /// it being known whether it happened, the state that the key has then is told, perhaps again; between two that
    /// overlap one may be left out, the last never is. With `WatchQuery.Start.current` what changes while
    /// the objects are told may be told twice.
    ///
    /// - Throws: `invalid` for a query out of range; what listing throws.
    public func watchOwn(_ query: WatchQuery, overflow: ObserveOptions.Overflow) async throws(StorageError)
        -> StoreChanges
    {
        try checkActive(.watch, nil)
        try query.validate()
        let query = bounded(query)
        let subscription = announcer.subscribe(query, overflow)
        guard query.start == .current else { return subscription.changes }
        let present = base.infos(ListQuery(prefix: query.prefix, pattern: query.pattern)).pull()
        let isCaughtUp = Atomic(false)
        return StoreChanges { () async throws(StorageError) in
            if let info = try await present() { return .put(info) }
            if !isCaughtUp.exchange(true, ordering: .relaxed) { return .caughtUp }
            return try await subscription.next()
        }
    }

    private func bounded(_ query: WatchQuery) -> WatchQuery {
        var bounded = query
        bounded.capacity = min(query.capacity, max(1, options.buffer))
        return bounded
    }
}
