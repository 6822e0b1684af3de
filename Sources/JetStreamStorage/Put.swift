import FoundationEssentials
import NATS
import Storage

/// One put: chunks first, then the meta message, which is the commit.
struct Put: Sendable {
    /// The most bytes in flight: more gain nothing.
    private static let inFlight = 8 << 20
    /// A chunk of so many bytes waits for no room among those of others.
    private static let unbudgeted = 16 << 10

    let bucket: Bucket
    let index: LiveIndex?
    let purger: Purger
    let guess: Guess
    let locks: KeyLocks
    /// For atomic puts.
    let batches: Permits
    let key: ObjectKey
    let options: PutOptions
    let nuid = NUID.next()
    /// In whole milliseconds, as the meta message tells them.
    let now = Date.now.inMilliseconds

    init(_ store: JetStreamStore, _ key: ObjectKey, _ options: PutOptions) {
        bucket = store.bucket
        index = store.index
        purger = store.purger
        guess = store.guess
        locks = store.locks
        batches = store.batches
        self.key = key
        self.options = options
    }

    func run(_ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            return try await store(body)
        } catch  where error.kind == .preconditionFailed {
            // Of what stands there under the same id it may be this very put that stored it.
            if let earlier = try await earlierOfSameID() { return earlier }
            throw error
        }
    }

    private func earlierOfSameID() async throws(StorageError) -> ObjectInfo? {
        guard let id = options.messageID, let current = try await bucket.meta(key), bucket.liveVersion(current) != nil,
            let message = try await bucket.message(.sequence(current.sequence)),
            message.headers.first(BucketFormat.Header.messageID) == id
        else { return nil }
        return current.info
    }

    private func store(_ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        if bucket.isAtomic { return try await storeAtomically(body) }
        if let bytes = body.bytesAtHand, bytes.count <= bucket.chunkSize { return try await small(bytes, body) }
        // Before any chunk: a put that can't succeed costs one read.
        let predecessor = try admitted(try await bucket.predecessor(key))
        let window = bucket.bulk.publishWindow(
            limit: window(of: bucket.chunkSize), budget: bucket.budget, repeatingIn: bucket.format.stream)
        let meta: ObjectMeta
        do throws(StorageError) {
            meta = try await store(body, window)
            if Task.isCancelled { throw StorageError.cancelled }
        } catch {
            if await window.abort() { discard() }
            throw error
        }
        return try await commit(meta, replacing: predecessor, nil)
    }

    /// How many chunks may be in flight.
    func window(of chunkSize: Int) -> Int { max(2, Self.inFlight / chunkSize) }

    private var expires: Date? { options.timeToLive.map { now.addingTimeInterval($0.seconds).inMilliseconds } }

    var chunkHeaders: NATSHeaders {
        bucket.messageTTL(expires).map { [BucketFormat.Header.ttl: $0] } ?? [:]
    }

    /// `current`, where the precondition holds for it.
    private func admitted(_ current: StoredMeta?) throws(StorageError) -> StoredMeta? {
        try options.precondition.check(bucket.liveVersion(current), of: key)
        return current
    }

    // MARK: Small objects

    /// What a small put takes for the meta message to replace, so that it needs no trip to find out. Where it is wrong,
    /// the server refuses the commit, and the put looks.
    private enum Predecessor {
        case known(StoredMeta?)
        /// Asked for, on its way.
        case pending(PendingMessage)
        /// Others of this process are about to replace it.
        case contended
    }

    private func predecessor() throws(StorageError) -> Predecessor {
        if locks.isHeld(key) { return .contended }
        if let index, index.isLive {
            let known = index.hint(key)
            if options.precondition.holds(for: bucket.liveVersion(known)) { return .known(known) }
        } else if options.precondition == .absent || options.precondition == .none && guess.isAbsent {
            return .known(nil)
        }
        do throws(NATSError) {
            return .pending(try bucket.startMeta(key))
        } catch {
            throw StorageError(error, bucket: bucket.name)
        }
    }

    private func small(_ bytes: [UInt8], _ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        // Where the caller knows the digest, it is looked at first; otherwise while the chunk is on its way.
        if options.expectedDigest != nil || body.trailingDigest != nil {
            try body.check(Digest(of: bytes), options.expectedDigest)
        }
        let chunk = JetStream.Publication(bucket.format.chunks(of: nuid), headers: chunkHeaders, payload: bytes)
        switch try predecessor() {
        case .contended:
            try await withChunk(bytes.count) { () async throws(NATSError) in
                try await store(chunk)
            }
            return try await commitInTurn(meta(of: bytes))
        case .known(let predecessor):
            guard !bytes.isEmpty else { return try await commit(meta(of: bytes), replacing: predecessor, nil) }
            if bytes.count <= Self.unbudgeted, bucket.pairs?.admit() ?? false {
                return try await storeAsPair(chunk, meta(of: bytes), replacing: predecessor)
            }
            var meta: ObjectMeta?
            let outcome = try await withChunk(bytes.count) { () async throws(NATSError) in
                try await bucket.control.publish(chunk) {
                    let made = self.meta(of: bytes)
                    meta = made
                    return message(made, replacing: predecessor)
                }
            }
            return try await commit(meta ?? self.meta(of: bytes), replacing: predecessor, outcome)
        case .pending(let pending):
            try await withChunk(bytes.count) { () async throws(NATSError) in
                try await store(chunk)
            }
            return try await commit(meta(of: bytes), replacing: admittedOrDiscarded(pending), nil)
        }
    }

    /// Both messages at once, the second of which is stored right behind the first or not at all.
    private func storeAsPair(
        _ chunk: JetStream.Publication, _ meta: ObjectMeta, replacing predecessor: StoredMeta?
    ) async throws(StorageError) -> ObjectInfo {
        if Task.isCancelled { throw StorageError.cancelled }
        let (stored, committed) = await bucket.control.publish(
            chunk, id: nuid, withBehind: message(meta, replacing: predecessor))
        guard case .failure(let refusal) = committed else {
            bucket.pairs?.succeeded()
            return try await commit(meta, replacing: predecessor, committed)
        }
        // Without its chunk it can't be stored, and where it may be, that is looked at first.
        if case .failure(let error) = stored, !refusal.isUndecided {
            if !error.isUnstored { discard() }
            throw StorageError(error, bucket: bucket.name)
        }
        guard refusal.isOutOfPlace else { return try await commit(meta, replacing: predecessor, committed) }
        bucket.pairs?.wasRefused()
        return try await commit(meta, replacing: predecessor, nil)
    }

    private func meta(of bytes: [UInt8]) -> ObjectMeta {
        meta(size: bytes.count, chunks: bytes.isEmpty ? 0 : 1, Digest(of: bytes))
    }

    private func store(_ chunk: JetStream.Publication) async throws(NATSError) {
        guard !chunk.payload.isEmpty else { return }
        // Given up with the caller, it might be stored after it was removed: servers take purges out of turn.
        _ = try await bucket.control.publishToTheEnd(chunk)
    }

    /// Runs what stores a chunk of so many bytes; where it throws, what may be stored of it goes.
    private func withChunk<Value>(
        _ bytes: Int, _ store: () async throws(NATSError) -> Value
    ) async throws(StorageError) -> Value {
        let flight = try await mapped(bucket.name) { () async throws(NATSError) in
            bytes <= Self.unbudgeted ? nil : try await bucket.budget.start(bytes)
        }
        do throws(NATSError) {
            let value = try await store()
            if let flight { bucket.budget.end(flight, isStored: true) }
            return value
        } catch {
            if let flight { bucket.budget.end(flight, isStored: false) }
            if !error.isUnstored { discard() }
            throw StorageError(error, bucket: bucket.name)
        }
    }

    private func admittedOrDiscarded(_ pending: PendingMessage) async throws(StorageError) -> StoredMeta? {
        do throws(StorageError) {
            let current = try await mapped(bucket.name) { () async throws(NATSError) in
                try await bucket.predecessor(key, pending)
            }
            guess.saw(absent: current == nil)
            return try admitted(current)
        } catch {
            discard()
            throw error
        }
    }

    // MARK: Large objects

    private func store(_ body: ObjectBody, _ window: PublishWindow) async throws(StorageError) -> ObjectMeta {
        var reader = BodyReader(body)
        let (subject, headers) = (bucket.format.chunks(of: nuid), chunkHeaders)
        while let chunk = try await reader.next(bucket.chunkSize) {
            if Task.isCancelled { throw StorageError.cancelled }
            try await mapped(bucket.name) { () async throws(NATSError) in
                try await window.publish(subject, headers: headers, payload: chunk)
            }
        }
        let digest = try await reader.finish(expected: options.expectedDigest)
        let summary = try await mapped(bucket.name) { () async throws(NATSError) in try await window.finish() }
        var meta = meta(size: reader.count, chunks: summary.count, digest)
        if let sequences = summary.sequences, sequences.upperBound - sequences.lowerBound == UInt64(summary.count - 1) {
            meta.firstChunk = sequences.lowerBound
        }
        return meta
    }

    func meta(size: Int, chunks: Int, _ digest: Digest, chunkSize: Int? = nil) -> ObjectMeta {
        var meta = ObjectMeta(nuid: nuid)
        meta.size = size
        meta.chunks = chunks
        meta.chunkSize = chunkSize ?? bucket.chunkSize
        meta.digest = digest
        meta.modified = now
        meta.expires = expires
        if options.attributes != ObjectAttributes() { meta.attributes = options.attributes }
        return meta
    }
}

extension Date {
    fileprivate var inMilliseconds: Date {
        Date(timeIntervalSince1970: (timeIntervalSince1970 * 1000).rounded() / 1000)
    }
}
