import FoundationEssentials
public import Storage

extension SQLiteStore {
    /// What a sweep removed.
    public struct SweepResult: Sendable, Hashable {
        /// Objects past their expiry.
        public internal(set) var expiredObjects = 0
        /// Bodies of no object: of uploads that did not end, of objects replaced and deleted.
        public internal(set) var looseBodies = 0
        /// Message ids of before the duplicate window.
        public internal(set) var messageIDs = 0
    }

    /// Removes what nobody needs any more: what also happens on a schedule, but for objects that expired where somebody
    /// calls ``maintain()``, to be told of them.
    @discardableResult
    public func sweep() async throws(StorageError) -> SweepResult {
        var result = try await removeLeftovers()
        var count: Int
        repeat {
            count = try await removeExpired().count
            result.expiredObjects += count
        } while count > 0
        return result
    }

    /// What happens every so often.
    func sweepOnSchedule() async throws(StorageError) {
        if sweeps.leavesExpired { _ = try await removeLeftovers() } else { try await sweep() }
    }

    /// Removes what writers left behind, and what served its time.
    func removeLeftovers() async throws(StorageError) -> SweepResult {
        let changes = changes
        var result = SweepResult()
        var count: Int
        repeat {
            count = try await connections.write { database in try changes.removeMessages(in: database) }
            result.messageIDs += count
        } while count == Changes.removedAtOnce
        result.looseBodies = try await bodies.sweep()
        return result
    }

    private func removeExpired() async throws(StorageError) -> [ObjectInfo] {
        let changes = changes
        return try await connections.write { database in try changes.removeExpired(in: database) }
    }
}

extension SQLiteStore: MaintainedStore {
    /// Removes up to 256 objects that expired. Of all processes one removes each, since one changes the file at a time.
    public func maintain() async throws(StorageError) -> Upkeep {
        do throws(StorageError) {
            sweeps.leaveExpired()
            let time = now()
            let first = try await connections.read { connection in
                try connection.statement(.nextExpiry).first { $0.optionalInteger(0) }
            }
            // Nothing is due, and nobody has to be kept from writing.
            guard let first = first.flatMap({ $0 }), first <= Timestamp.microseconds(time) else {
                return Upkeep(next: time.addingTimeInterval(1))
            }
            let expired = try await removeExpired()
            return Upkeep(
                expired: expired,
                next: expired.count == Changes.removedAtOnce ? time : time.addingTimeInterval(1))
        } catch {
            throw error.during(.delete)
        }
    }
}
