import Storage
import TestSupport

/// A memory store whose changes are told when it is asked to, not before: what a watch over a slow connection looks like.
final class WatchedStore: WatchableStore, ForwardingStore {
    let base: any Store
    let hub = ChangeHub()

    init(_ base: any Store = MemoryStore()) {
        self.base = base
    }

    func watch(_ query: WatchQuery) async throws(StorageError) -> StoreChanges {
        hub.watch(query).changes
    }

    func shutdown() async {
        hub.finish()
        await base.shutdown()
    }
}
