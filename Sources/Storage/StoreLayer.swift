/// A store around another one.
///
/// Whether a layer's changes can be followed depends on what lies beneath, so a layer is no ``WatchableStore`` itself: it
/// tells how to follow them, where that is possible.
public protocol StoreLayer: Store {
    /// Follows the layer's changes, told as the layer shows them; nil where the store beneath can't be followed.
    var watcher: StoreWatcher? { get }
}

/// How a store is followed: ``WatchableStore/watch(_:)`` of that store, or of one beneath it.
public typealias StoreWatcher = @Sendable (WatchQuery) async throws(StorageError) -> StoreChanges

extension Store {
    /// Follows the store, or what lies beneath its layers; nil where nothing there can be followed.
    public var anyWatcher: StoreWatcher? {
        if let store = self as? any WatchableStore {
            return { (query) async throws(StorageError) in try await store.watch(query) }
        }
        return (self as? any StoreLayer)?.watcher
    }
}

extension StoreChanges {
    /// The same changes as a layer shows them; those that `show` makes nil of are left out.
    package func mapped(
        _ show: @escaping @Sendable (StoreChange) throws(StorageError) -> StoreChange?
    ) -> StoreChanges {
        StoreChanges { () async throws(StorageError) in
            let iterator = makeAsyncIterator()
            while let change = try await iterator.next() {
                if let shown = try show(change) { return shown }
            }
            return nil
        }
    }
}
