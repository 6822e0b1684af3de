import Synchronization

extension Store {
    /// A listing from `query` on to its end: each page is fetched when it is asked for.
    public func pages(_ query: ListQuery = ListQuery()) -> ListPages {
        ListPages(store: self, query: query)
    }

    /// Every key that the query admits, page after page, in order.
    public func keys(_ query: ListQuery = ListQuery()) -> ListElements<ObjectKey> {
        ListElements(pages: pages(query)) { $0.keys }
    }

    /// The info of every object that the query admits, page after page, in order.
    public func infos(_ query: ListQuery = ListQuery()) -> ListElements<ObjectInfo> {
        var query = query
        query.details = true
        return ListElements(pages: pages(query)) { $0.objects ?? [] }
    }
}

/// The pages of a listing, in order; at least one, which may be empty.
///
/// What is stored or deleted meanwhile is in it or not, as it lies behind or before the page that was fetched last.
public struct ListPages: AsyncSequence, Sendable {
    public typealias Element = ListPage
    public typealias Failure = StorageError

    let store: any Store
    let query: ListQuery

    /// Fetches page after page.
    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        public typealias Failure = StorageError

        let store: any Store
        /// The next page's; nil after the last.
        var query: ListQuery?

        /// The next page, or nil after the last. Where it throws, the same page is fetched again.
        public mutating func next() async throws(StorageError) -> ListPage? {
            guard let query else { return nil }
            let page = try await store.list(query)
            self.query?.startAfter = page.next
            if page.next == nil { self.query = nil }
            return page
        }
    }

    /// Starts at the first page.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(store: store, query: query)
    }
}

/// What the pages of a listing hold, one after the other.
public struct ListElements<Element: Sendable>: AsyncSequence, Sendable {
    public typealias Failure = StorageError

    let pages: ListPages
    let elements: @Sendable (ListPage) -> [Element]

    /// Walks the pages.
    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        public typealias Failure = StorageError

        var pages: ListPages.AsyncIterator
        let elements: @Sendable (ListPage) -> [Element]
        var page: ArraySlice<Element> = []

        /// The next one, or nil after the last.
        public mutating func next() async throws(StorageError) -> Element? {
            while page.isEmpty {
                guard let fetched = try await pages.next() else { return nil }
                page = elements(fetched)[...]
            }
            return page.popFirst()
        }
    }

    /// Starts at the first page.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(pages: pages.makeAsyncIterator(), elements: elements)
    }

    /// One at each call, for who pulls by a closure. The calls come one after the other.
    package func pull() -> @Sendable () async throws(StorageError) -> Element? {
        let iterator = Mutex(makeAsyncIterator())
        return { () async throws(StorageError) in
            var walked = iterator.withLock { $0 }
            defer { iterator.withLock { [walked] in $0 = walked } }
            return try await walked.next()
        }
    }
}
