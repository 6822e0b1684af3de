public import Storage
import Synchronization

extension TieredStore {
    /// Follows the changes of cold until it is shut down, so that what other processes write there is seen as soon as
    /// the watch tells it. Copies from before are compared with cold once.
    ///
    /// - Throws: `unsupported` where cold can't be watched; `cancelled`; what the watch throws.
    public func follow() async throws(StorageError) {
        guard let watch = cold.anyWatcher else {
            throw StorageError(.unsupported, "the cold tier can't be watched; set revalidateAfter", operation: .watch)
        }
        let changes = try await watch(WatchQuery(capacity: 1 << 16))
        // What changed before the watch began, and what changes behind it, was not told.
        index.withLock { $0.distrustAll() }
        defer { index.withLock { $0.distrustAll() } }
        for try await change in changes { learn(change) }
    }

    /// Cold: what is in the tiers above are copies.
    public var beneath: [any Store] { [cold] }

    /// Follows cold, as every reader of this store sees it; nil where cold can't be followed.
    public var watcher: StoreWatcher? {
        guard let watch = cold.anyWatcher else { return nil }
        return { [self] (query) async throws(StorageError) in
            try await watch(query).mapped { (change) throws(StorageError) in
                // Who is told of a version finds no older one by a read.
                self.learn(change)
                return change
            }
        }
    }

    private func learn(_ change: StoreChange) {
        index.withLock { index in
            switch change {
            case .put(let info): index.compare(info)
            case .deleted(let key), .expired(let key): index.distrust(key)
            case .lagged: index.distrustAll()
            case .caughtUp: break
            }
        }
    }

    func keepFollowing(retryAfter interval: Duration) async {
        guard cold.anyWatcher != nil, !uppers.isEmpty else { return }
        repeat {
            do throws(StorageError) {
                // It ends without an error when cold is shut down.
                return try await follow()
            } catch {
                if error.kind == .cancelled || error.kind == .unsupported { return }
            }
        } while (try? await Task.sleep(for: interval)) != nil
    }
}
