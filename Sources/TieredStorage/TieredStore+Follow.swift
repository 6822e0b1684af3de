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
        watches(1)
        defer { watches(-1) }
        for try await change in changes { learn(change) }
    }

    /// What changed before a watch began, and what changes behind it, was not told.
    private func watches(_ change: Int) {
        index.withLock { index in
            index.distrustAll()
            index.watches += change
        }
    }

    /// Whether cold's changes are being followed: seen as soon as cold tells of them.
    public var isFollowing: Bool { index.withLock { $0.watches > 0 } }

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

    var canFollow: Bool { cold.anyWatcher != nil && !uppers.isEmpty }

    /// Follows cold, and again when the watch is lost; until then copies are compared with cold before they are served.
    func keepFollowing() async {
        guard canFollow else { return }
        let (shortest, longest) = (Duration.milliseconds(50), Duration.seconds(10))
        var wait = shortest
        repeat {
            let start = ContinuousClock.now
            do throws(StorageError) {
                // It ends without an error when cold is shut down.
                return try await follow()
            } catch  where error.kind == .unsupported {
                return index.withLock { $0.wantsFollowing = false }
            } catch {
                wait = start.duration(to: .now) > longest ? shortest : min(wait * 2, longest)
            }
        } while (try? await Task.sleep(for: wait)) != nil
    }
}
