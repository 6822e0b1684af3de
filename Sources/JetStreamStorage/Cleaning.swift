import FoundationEssentials
import NATS
public import Storage

/// What a cleaning found.
public struct CleaningReport: Sendable, Codable, Hashable {
    /// Puts that left chunks which no object refers to, and how many chunks.
    public var orphans = 0
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
        // Chunks first: what becomes an object after that is found among the objects.
        let stored = try await mapped(bucket.name) { () async throws(NATSError) in
            try await bucket.control.streamInfo(bucket.format.stream, subjectsFilter: bucket.format.allChunks)
                .state.subjects ?? [:]
        }
        var unclaimed = Dictionary(
            uniqueKeysWithValues: stored.map {
                (String($0.key.dropFirst(bucket.format.chunks(of: "").count)), $0.value)
            })
        let walk = index?.beginWalk()
        var present: Set<UInt64> = []
        try await bucket.forEachMeta { message in
            if walk != nil { present.insert(message.sequence) }
            if let meta = try? ObjectMeta(parsing: message.payload), !meta.isDeleted { unclaimed[meta.nuid] = nil }
        }
        if let walk { index?.endWalk(walk, present: present) }
        var report = CleaningReport()
        for (nuid, count) in unclaimed {
            guard try await isOld(nuid, grace) else {
                report.young += 1
                continue
            }
            report.orphans += 1
            report.chunks += Int(clamping: count)
            if dryRun { continue }
            try await bucket.purgeChunks(of: nuid)
            report.removed += 1
        }
        return report
    }

    private func isOld(_ nuid: String, _ grace: Duration) async throws(StorageError) -> Bool {
        let newest = try await bucket.message(.lastBySubject(bucket.format.chunks(of: nuid)))
        return newest.map { $0.time.addingTimeInterval(grace.seconds) < .now } ?? false
    }
}

/// An object that does not read as it was written.
public struct Damage: Sendable {
    /// The object.
    public var key: ObjectKey
    /// What reading it said.
    public var error: StorageError
}

extension JetStreamStore {
    /// Reads every object and checks it against its digest; `progress` is told of each, `found` of each damaged one.
    ///
    /// - Throws: what keeps it from reading on; an object that is replaced meanwhile is left out.
    public func verify(
        progress: (ObjectInfo) -> Void, found: (Damage) -> Void
    ) async throws(StorageError) {
        var query = ListQuery(details: true)
        repeat {
            let page = try await list(query)
            for info in page.objects ?? [] {
                do throws(StorageError) {
                    try await read(info.key)
                } catch {
                    switch error.kind {
                    case .internal: found(Damage(key: info.key, error: error))
                    case .notFound: break
                    case .unavailable where (error.cause as? NATSError) == nil: break
                    default: throw error
                    }
                }
                progress(info)
            }
            query.startAfter = page.next
        } while query.startAfter != nil
    }

    private func read(_ key: ObjectKey) async throws(StorageError) {
        let object = try await get(key, options: GetOptions())
        var body = object.body.makeAsyncIterator()
        while try await body.next() != nil {}
    }
}
