import FoundationEssentials
import NATS
import Storage

/// One put: chunks first, then the meta message, which is the commit.
struct Put: Sendable {
    /// More chunks in flight gain nothing, and a flood is refused by the server.
    private static let window = 64

    let bucket: Bucket
    let index: LiveIndex?
    let purger: Purger
    let key: ObjectKey
    let options: PutOptions
    private let nuid = NUID.next()
    /// In whole milliseconds, as the meta message tells them.
    private let now = Date.now.inMilliseconds

    init(_ store: JetStreamStore, _ key: ObjectKey, _ options: PutOptions) {
        bucket = store.bucket
        index = store.index
        purger = store.purger
        self.key = key
        self.options = options
    }

    func run(_ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        // Before any chunk: a put that can't succeed costs one read at most.
        let predecessor = try await predecessor()
        if let bytes = body.bytesAtHand, bytes.count <= bucket.chunkSize {
            return try await small(bytes, body, replacing: predecessor)
        }
        let window = bucket.bulk.publishWindow(limit: Self.window)
        let meta: ObjectMeta
        do throws(StorageError) {
            meta = try await store(body, window)
            if Task.isCancelled { throw StorageError.cancelled }
        } catch {
            await giveUp(window)
            throw error
        }
        do throws(StorageError) {
            return try await commit(meta, replacing: predecessor, nil)
        } catch {
            if !isUndecided(error) { await giveUp(nil) }
            throw error
        }
    }

    /// The meta message to replace, after the precondition was checked against it. Where it turns out not to be the
    /// newest, the server says so in the end.
    private func predecessor() async throws(StorageError) -> StoredMeta? {
        if let index {
            index.start()
            let (isLive, known) = (index.isLive, index.hint(key))
            if isLive, options.precondition.holds(for: known.liveVersion) { return known }
        }
        let current = try await bucket.meta(key)
        // With an id the same put may have happened already: the server knows when the meta message reaches it.
        guard options.precondition.holds(for: current.liveVersion) || options.messageID != nil else {
            throw .preconditionFailed(key: key, options.precondition, current: current.liveVersion)
        }
        return current
    }

    // MARK: Small objects

    /// A chunk at most: the meta message is known beforehand, and follows the chunk's acknowledgement at once.
    private func small(
        _ bytes: [UInt8], _ body: ObjectBody, replacing predecessor: StoredMeta?
    ) async throws(StorageError) -> ObjectInfo {
        let digest = Digest(of: bytes)
        try body.check(digest, options.expectedDigest)
        let meta = meta(size: bytes.count, chunks: bytes.isEmpty ? 0 : 1, digest)
        guard !bytes.isEmpty else { return try await commit(meta, replacing: predecessor, nil) }
        let chunk = JetStream.Publication(bucket.format.chunks(of: nuid), payload: bytes)
        let message = message(meta, replacing: predecessor)
        do throws(StorageError) {
            let outcome = try await mapped(bucket.name) { () async throws(NATSError) in
                try await bucket.control.publish(chunk, then: message)
            }
            return try await commit(meta, replacing: predecessor, outcome)
        } catch {
            if !isUndecided(error) { await giveUp(nil) }
            throw error
        }
    }

    // MARK: Large objects

    private func store(_ body: ObjectBody, _ window: PublishWindow) async throws(StorageError) -> ObjectMeta {
        var reader = BodyReader(body)
        let subject = bucket.format.chunks(of: nuid)
        while let chunk = try await reader.next(bucket.chunkSize) {
            if Task.isCancelled { throw StorageError.cancelled }
            try await mapped(bucket.name) { () async throws(NATSError) in
                try await window.publish(subject, payload: chunk)
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

    private func meta(size: Int, chunks: Int, _ digest: Digest) -> ObjectMeta {
        var meta = ObjectMeta(nuid: nuid)
        meta.size = size
        meta.chunks = chunks
        meta.chunkSize = bucket.chunkSize
        meta.digest = digest
        meta.modified = now
        meta.expires = options.timeToLive.map { now.addingTimeInterval($0.seconds).inMilliseconds }
        if options.attributes != ObjectAttributes() { meta.attributes = options.attributes }
        return meta
    }

    // MARK: The commit

    private func message(_ meta: ObjectMeta, replacing predecessor: StoredMeta?) -> JetStream.Publication {
        bucket.publication(
            of: meta, as: key, replacing: predecessor?.sequence ?? 0, modified: now, messageID: options.messageID)
    }

    /// Publishes the meta message until it is stored or must not be; `outcome` is what became of a first attempt.
    private func commit(
        _ meta: ObjectMeta, replacing first: StoredMeta?, _ outcome: Result<PublishAck, NATSError>?
    ) async throws(StorageError) -> ObjectInfo {
        var predecessor = first
        var outcome = outcome
        while true {
            let ack = try await settled(meta, replacing: predecessor, outcome)
            outcome = nil
            if let ack {
                if ack.duplicate {
                    await purger.discard(nuid)
                    return try await earlier(ack.sequence)
                }
                if let old = predecessor?.meta, old.nuid != nuid, old.chunks > 0 { await purger.discard(old.nuid) }
                let stored = StoredMeta(key: key, sequence: ack.sequence, time: now, meta: meta)
                index?.learn(stored)
                return stored.info
            }
            // Another writer was first: whether this put still may, its precondition says.
            predecessor = try await bucket.meta(key)
            guard options.precondition.holds(for: predecessor.liveVersion) else {
                throw .preconditionFailed(key: key, options.precondition, current: predecessor.liveVersion)
            }
        }
    }

    /// What became of the meta message; after a silence, by looking whether it is there.
    private func settled(
        _ meta: ObjectMeta, replacing predecessor: StoredMeta?, _ outcome: Result<PublishAck, NATSError>?
    ) async throws(StorageError) -> PublishAck? {
        do throws(StorageError) {
            switch outcome {
            case nil: return try await bucket.commit(message(meta, replacing: predecessor))
            case .success(let ack): return ack
            case .failure(let error): return try bucket.notFirst(error)
            }
        } catch {
            guard isUndecided(error), !Task.isCancelled, let current = try? await bucket.meta(key),
                current.meta.nuid == nuid
            else { throw error }
            return PublishAck(stream: bucket.format.stream, sequence: current.sequence)
        }
    }

    /// Whether a meta message may still be stored, now or later: its chunks have to stay then.
    private func isUndecided(_ error: StorageError) -> Bool {
        guard let cause = error.cause as? NATSError else { return false }
        switch cause.code {
        case .timeout, .cancelled, .disconnected, .connectionClosed: return true
        default: return false
        }
    }

    /// What was stored under the same id before.
    private func earlier(_ sequence: UInt64) async throws(StorageError) -> ObjectInfo {
        let message = try await bucket.message(.sequence(sequence))
        guard let message, let key = bucket.format.key(ofMeta: message.subject) else {
            // Replaced since: what is there now is the best answer there is.
            return try await bucket.live(key).info
        }
        return try StoredMeta(message, key: key).info
    }

    /// Removes what the put stored, when nothing of it is under way any more.
    private func giveUp(_ window: PublishWindow?) async {
        await window?.abort()
        await purger.discard(nuid)
    }
}

extension Date {
    fileprivate var inMilliseconds: Date {
        Date(timeIntervalSince1970: (timeIntervalSince1970 * 1000).rounded() / 1000)
    }
}
