import FoundationEssentials
import NATS
public import Storage

/// What a cleaning found.
public struct CleaningReport: Sendable, Codable, Hashable {
    /// Puts that left chunks which no object refers to.
    public var orphans = 0
    /// How many chunks these are.
    public var chunks = 0
    /// How many of those puts' chunks were removed; none in a dry run.
    public var removed = 0
    /// Orphans that are too young to be sure that nobody is about to refer to them.
    public var young = 0

    /// What was counted.
    public init(orphans: Int = 0, chunks: Int = 0, removed: Int = 0, young: Int = 0) {
        self.orphans = orphans
        self.chunks = chunks
        self.removed = removed
        self.young = young
    }
}

extension JetStreamStore {
    /// Removes the chunks that no object refers to: what writers left behind that were killed between a chunk and the
    /// meta message, or between that and the removal of what it replaced.
    ///
    /// - Parameters:
    ///   - grace: chunks of puts whose newest chunk is younger stay: their meta message may be on its way.
    ///   - dryRun: only tell.
    public func removeOrphans(
        olderThan grace: Duration, dryRun: Bool = false
    ) async throws(StorageError) -> CleaningReport {
        try bucket.checkWritable()
        await bucket.lookForMirrors()
        // Chunks first: what becomes an object after that is found among the objects.
        let unclaimed = try await unclaimed(of: chunkCounts())
        var report = CleaningReport()
        var orphans: [String: UInt64] = [:]
        for (nuid, count) in unclaimed {
            if try await isOld(nuid, grace) { orphans[nuid] = count } else { report.young += 1 }
        }
        if !orphans.isEmpty { orphans = try await unclaimedForSure(of: orphans) }
        report.orphans = orphans.count
        report.chunks = orphans.values.reduce(0) { $0 + Int(clamping: $1) }
        if dryRun { return report }
        for nuid in orphans.keys {
            try await bucket.purgeChunks(of: nuid)
            report.removed += 1
        }
        return report
    }

    /// How many chunks there are of each put.
    private func chunkCounts() async throws(StorageError) -> [String: UInt64] {
        let stored = try await bucket.streamInfo(subjectsFilter: bucket.format.allChunks).state.subjects ?? [:]
        let prefix = bucket.format.chunks(of: "").count
        return Dictionary(uniqueKeysWithValues: stored.map { (String($0.key.dropFirst(prefix)), $0.value) })
    }

    /// Those puts that no object refers to.
    private func unclaimed(of puts: [String: UInt64]) async throws(StorageError) -> [String: UInt64] {
        var unclaimed = puts
        let walk = index?.beginWalk()
        var present: Set<UInt64> = []
        try await bucket.forEachMeta(atLeader: true) { message in
            if walk != nil { present.insert(message.sequence) }
            unclaimed.removeClaimed(by: message)
        }
        if let walk { index?.endWalk(walk, present: present) }
        return unclaimed
    }

    /// Servers' consumers may pass over a message: what the leader has and another walk does not find is asked for.
    private func unclaimedForSure(of puts: [String: UInt64]) async throws(StorageError) -> [String: UInt64] {
        var unclaimed = puts
        let stored = try await bucket.streamInfo(subjectsFilter: bucket.format.allMeta).state.subjects ?? [:]
        var unseen = Set(stored.keys)
        try await bucket.forEachMeta(atLeader: true) { message in
            unseen.remove(message.subject)
            unclaimed.removeClaimed(by: message)
        }
        for subject in unseen {
            guard let message = try await bucket.message(.lastBySubject(subject), atLeader: true) else { continue }
            unclaimed.removeClaimed(by: message)
        }
        return unclaimed
    }

    private func isOld(_ nuid: String, _ grace: Duration) async throws(StorageError) -> Bool {
        let newest = try await bucket.message(.lastBySubject(bucket.format.chunks(of: nuid)), atLeader: true)
        return newest.map { $0.time.addingTimeInterval(grace.seconds) < .now } ?? false
    }
}

extension [String: UInt64] {
    fileprivate mutating func removeClaimed(by message: StoredMessage) {
        if let meta = try? ObjectMeta(parsing: message.payload), !meta.isDeleted { self[meta.nuid] = nil }
    }
}
