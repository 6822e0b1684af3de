import FoundationEssentials
import Logging
import NATS
public import Storage

extension JetStreamStore: MaintainedStore {
    /// How many expired objects one call removes at most.
    private static let removedAtOnce = 256
    /// How often objects are looked through where there is no index that knows which expire.
    private static let withoutIndex: TimeInterval = 60

    /// Removes what expired, with its chunks, and once in each `cleanEvery` the chunks that no object refers to.
    ///
    /// What expires is replaced by a delete marker on the condition that it is what was seen: a put that comes between
    /// wins, and of several callers one removes it.
    public func maintain() async throws(StorageError) -> Upkeep {
        // Its origin is looked after there.
        if bucket.isMirror { return Upkeep(next: .distantFuture) }
        do throws(StorageError) {
            let upkeep = try await removeExpired()
            guard cleaning.isDue else { return upkeep }
            let report = try await removeOrphans(olderThan: cleaning.grace)
            if report.removed > 0 {
                logger.info("bucket “\(bucket.name)”: removed \(report.chunks) chunks that no object refers to")
            }
            return upkeep
        } catch {
            throw error.during(.delete)
        }
    }

    private func removeExpired() async throws(StorageError) -> Upkeep {
        let due: [StoredMeta]
        var next = Date.now.addingTimeInterval(1)
        if let index, index.isUsable {
            // An index that follows the bucket needs no request: what it does not know yet, it knows the next time, and
            // what it knows no longer, the condition tells.
            if bucket.followsReliably { index.start() } else { try await index.refresh() }
            due = index.expired(atMost: Self.removedAtOnce)
        } else {
            due = try await expiredOnServer()
            next = .now.addingTimeInterval(Self.withoutIndex)
        }
        var removed: [ObjectInfo] = []
        do throws(StorageError) {
            for stored in due where try await remove(expired: stored) { removed.append(stored.info) }
        } catch {
            // Those that went are told of all the same.
            if removed.isEmpty { throw error }
        }
        return Upkeep(expired: removed, next: due.count == Self.removedAtOnce && !removed.isEmpty ? .now : next)
    }

    /// Whether this call removed it: another writer may have been first.
    private func remove(expired stored: StoredMeta) async throws(StorageError) -> Bool {
        var marker = ObjectMeta(nuid: stored.meta.nuid)
        marker.isDeleted = true
        // So that a watch can tell it from a delete.
        marker.expires = stored.meta.expires
        let message = bucket.publication(of: marker, as: stored.key, replacing: stored.sequence, modified: .now)
        guard let ack = try await bucket.commit(message) else {
            try await index?.lookUp(stored.key)
            return false
        }
        index?.learn(StoredMeta(key: stored.key, sequence: ack.sequence, time: .now, meta: marker))
        await purger.discardReplaced(stored.meta.nuid)
        return true
    }

    private func expiredOnServer() async throws(StorageError) -> [StoredMeta] {
        var due: [StoredMeta] = []
        let now = Date.now
        try await bucket.forEachMeta { message in
            guard due.count < Self.removedAtOnce, let key = bucket.format.key(ofMeta: message.subject),
                let stored = try? StoredMeta(message, key: key), stored.isExpired(at: now)
            else { return }
            due.append(stored)
        }
        return due
    }
}
