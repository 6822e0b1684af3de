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
        let present = PresentObjects(base, query)
        return StoreChanges { () async throws(StorageError) in
            if let change = try await present.next() { return change }
            return try await subscription.next()
        }
    }

    private func bounded(_ query: WatchQuery) -> WatchQuery {
        var bounded = query
        bounded.capacity = min(query.capacity, max(1, options.buffer))
        return bounded
    }
}

/// The objects that are there when a watch begins, page by page, and then the word that these were all.
private final class PresentObjects: Sendable {
    private struct State {
        var page: ArraySlice<ObjectInfo> = []
        /// The next page; nil: there is none.
        var query: ListQuery?
        var isTold = false
    }

    private let base: any Store
    private let state: Mutex<State>

    init(_ base: any Store, _ query: WatchQuery) {
        self.base = base
        let list = ListQuery(prefix: query.prefix, pattern: query.pattern, details: true)
        state = Mutex(State(query: list))
    }

    func next() async throws(StorageError) -> StoreChange? {
        while true {
            if let info = state.withLock({ $0.page.popFirst() }) { return .put(info) }
            guard var query = state.withLock({ $0.query }) else { break }
            let page = try await base.list(query)
            query.startAfter = page.next
            state.withLock { state in
                state.page = (page.objects ?? [])[...]
                state.query = page.next == nil ? nil : query
            }
        }
        return state.withLock { state in
            defer { state.isTold = true }
            return state.isTold ? nil : .caughtUp
        }
    }
}
