import FoundationEssentials
public import Storage

extension FileStore: MaintainedStore {
    /// Removes objects that expired: those that this process stored within a second, those of others, and of before it
    /// started, when a walk over all objects comes by, a thousand a call and once in each `sweepInterval`. The key's lock
    /// is held meanwhile, so that of all processes one removes each.
    public func maintain() async throws(StorageError) -> Upkeep {
        do throws(StorageError) {
            try root.checkOpen()
            expiries.startReporting()
            let (sweeper, now) = (sweeper, now())
            var expired = try await threads.run { () throws(StorageError) in try sweeper.removeDue() }
            var isMore = expired.count == Sweeper.stepSize
            if let walk = expiries.walk(at: now, every: configuration.sweepInterval) {
                let (removed, isOver) = try await threads.run { () throws(StorageError) in
                    try sweeper.removeExpired(walk)
                }
                expired += removed
                if isOver { expiries.end(walk) }
                isMore = isMore || !isOver
            }
            expired.sort { ($0.expires ?? now) < ($1.expires ?? now) }
            return Upkeep(expired: expired, next: isMore ? now : now.addingTimeInterval(1))
        } catch {
            throw error.during(.delete)
        }
    }
}
