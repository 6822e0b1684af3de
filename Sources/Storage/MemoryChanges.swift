import FoundationEssentials
import Synchronization

extension MemoryStore: MaintainedStore {
    /// Frees what expired and tells it: up to 65,536 objects that expired since the call before.
    public func maintain() async throws(StorageError) -> Upkeep {
        let now = now()
        let expired = try contents.withLock { contents throws(StorageError) in try contents.takeExpired(now: now) }
        return Upkeep(expired: expired, next: now.addingTimeInterval(1))
    }
}

extension MemoryStore: WatchableStore {
    /// What changes. That an object expired is told when ``maintain()``, a put or a listing finds it so.
    public func watch(_ query: WatchQuery) async throws(StorageError) -> StoreChanges {
        do throws(StorageError) {
            try query.validate()
            let now = now()
            let (current, queue) = try contents.withLock { contents throws(StorageError) in
                try contents.watch(query, now: now)
            }
            let changes = queue.changes
            guard query.start == .current else { return changes }
            let first = Mutex((next: 0, isCaughtUp: false))
            return StoreChanges { () async throws(StorageError) in
                let change: StoreChange? = first.withLock { first in
                    if first.next < current.count {
                        first.next += 1
                        return .put(current[first.next - 1].info)
                    }
                    defer { first.isCaughtUp = true }
                    return first.isCaughtUp ? nil : .caughtUp
                }
                if let change { return change }
                return try await changes.makeAsyncIterator().next()
            }
        } catch {
            throw error.during(.watch)
        }
    }
}
