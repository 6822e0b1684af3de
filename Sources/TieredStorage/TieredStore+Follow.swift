public import Storage
import Synchronization

extension TieredStore {
    /// Follows the changes of cold until it is shut down, so that what other processes write there is seen as soon as
    /// the watch tells it. Copies from before are compared with cold once.
    ///
    /// - Throws: `unsupported` where cold can't be watched; `cancelled`; what the watch throws.
    public func follow() async throws(StorageError) {
        guard let watched = cold as? any WatchableStore else {
            throw StorageError(.unsupported, "the cold tier can't be watched; set revalidateAfter", operation: .watch)
        }
        let changes = try await watched.watch(WatchQuery(capacity: 1 << 16))
        // What changed before the watch began, and what changes behind it, was not told.
        index.withLock { $0.distrustAll() }
        defer { index.withLock { $0.distrustAll() } }
        for try await change in changes {
            index.withLock { index in
                switch change {
                case .put(let info): index.compare(info)
                case .deleted(let key), .expired(let key): index.distrust(key)
                case .lagged: index.distrustAll()
                case .caughtUp: break
                }
            }
        }
    }

    func keepFollowing(retryAfter interval: Duration) async {
        guard cold is any WatchableStore, !uppers.isEmpty else { return }
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
