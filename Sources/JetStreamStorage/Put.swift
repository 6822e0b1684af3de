import FoundationEssentials
import NATS
import Storage

/// One put: chunks first, then the meta message, which is the commit.
struct Put: Sendable {
    /// The most bytes in flight: more gain nothing, and a flood is refused by the server.
    private static let inFlight = 8 << 20

    let bucket: Bucket
    let index: LiveIndex?
    let purger: Purger
    let guess: Guess
    let locks: KeyLocks
    let key: ObjectKey
    let options: PutOptions
    private let nuid = NUID.next()
    /// In whole milliseconds, as the meta message tells them.
    private let now = Date.now.inMilliseconds

    init(_ store: JetStreamStore, _ key: ObjectKey, _ options: PutOptions) {
        bucket = store.bucket
        index = store.index
        purger = store.purger
        guess = store.guess
        locks = store.locks
        self.key = key
        self.options = options
    }

    func run(_ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        if let bytes = body.bytesAtHand, bytes.count <= bucket.chunkSize { return try await small(bytes, body) }
        // Before any chunk: a put that can't succeed costs one read.
        let predecessor = try admitted(try await bucket.meta(key))
        let window = bucket.bulk.publishWindow(limit: max(2, Self.inFlight / bucket.chunkSize))
        let meta: ObjectMeta
        do throws(StorageError) {
            meta = try await store(body, window)
            if Task.isCancelled { throw StorageError.cancelled }
        } catch {
            await window.abort()
            await purger.discard(nuid)
            throw error
        }
        return try await commit(meta, replacing: predecessor, nil)
    }

    /// `current`, where the precondition holds for it.
    private func admitted(_ current: StoredMeta?) throws(StorageError) -> StoredMeta? {
        // With an id the same put may have happened already: the server knows when the meta message reaches it.
        guard options.precondition.holds(for: current.liveVersion) || options.messageID != nil else {
            throw .preconditionFailed(key: key, options.precondition, current: current.liveVersion)
        }
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
            if options.precondition.holds(for: known.liveVersion) { return .known(known) }
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
        let chunk = JetStream.Publication(bucket.format.chunks(of: nuid), payload: bytes)
        switch try predecessor() {
        case .contended:
            try await withChunk { () async throws(NATSError) in
                if !bytes.isEmpty { _ = try await bucket.control.publish(chunk.subject, payload: chunk.payload) }
            }
            return try await commitInTurn(meta(of: bytes))
        case .known(let predecessor):
            guard !bytes.isEmpty else { return try await commit(meta(of: bytes), replacing: predecessor, nil) }
            var meta: ObjectMeta?
            let outcome = try await withChunk { () async throws(NATSError) in
                try await bucket.control.publish(chunk) {
                    let made = self.meta(of: bytes)
                    meta = made
                    return message(made, replacing: predecessor)
                }
            }
            return try await commit(meta ?? self.meta(of: bytes), replacing: predecessor, outcome)
        case .pending(let pending):
            let predecessor = try await withChunk { () async throws(NATSError) in
                if !bytes.isEmpty { _ = try await bucket.control.publish(chunk.subject, payload: chunk.payload) }
                return try await pending.value()
            }
            return try await commit(meta(of: bytes), replacing: admittedOrDiscarded(predecessor), nil)
        }
    }

    private func meta(of bytes: [UInt8]) -> ObjectMeta {
        meta(size: bytes.count, chunks: bytes.isEmpty ? 0 : 1, Digest(of: bytes))
    }

    /// Runs what stores the chunk; where it throws, the chunk goes.
    private func withChunk<Value>(_ store: () async throws(NATSError) -> Value) async throws(StorageError) -> Value {
        do throws(NATSError) {
            return try await store()
        } catch {
            await purger.discard(nuid)
            throw StorageError(error, bucket: bucket.name)
        }
    }

    private func admittedOrDiscarded(_ message: StoredMessage?) async throws(StorageError) -> StoredMeta? {
        do throws(StorageError) {
            let current = try message.map { message throws(StorageError) in try StoredMeta(message, key: key) }
            guess.saw(absent: current == nil)
            return try admitted(current)
        } catch {
            await purger.discard(nuid)
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
        _ meta: ObjectMeta, replacing predecessor: StoredMeta?, _ outcome: Result<PublishAck, NATSError>?
    ) async throws(StorageError) -> ObjectInfo {
        if let info = try await attempt(meta, replacing: predecessor, outcome) { return info }
        return try await commitInTurn(meta)
    }

    /// Another writer was first. Those of this process go one after the other now instead of refusing one another.
    private func commitInTurn(_ meta: ObjectMeta) async throws(StorageError) -> ObjectInfo {
        try await locks.withLock(key) { () async throws(StorageError) in
            // The one before has told the index what it stored.
            if let index, index.isLive, let known = index.hint(key),
                options.precondition.holds(for: (known as StoredMeta?).liveVersion),
                let info = try await attempt(meta, replacing: known, nil)
            {
                return info
            }
            while true {
                // Whether this put still may, its precondition says.
                let current = try await current()
                guess.saw(absent: current == nil)
                if let info = try await attempt(meta, replacing: current, nil) { return info }
            }
        }
    }

    /// Nil where another writer was first.
    private func attempt(
        _ meta: ObjectMeta, replacing predecessor: StoredMeta?, _ outcome: Result<PublishAck, NATSError>?
    ) async throws(StorageError) -> ObjectInfo? {
        let ack: PublishAck?
        do throws(StorageError) {
            ack = try await settled(meta, replacing: predecessor, outcome)
        } catch {
            if !isUndecided(error) { await purger.discard(nuid) }
            throw error
        }
        guard let ack else { return nil }
        if ack.duplicate {
            await purger.discard(nuid)
            return try await earlier(ack.sequence)
        }
        if let old = predecessor?.meta, old.nuid != nuid, old.chunks > 0 { await purger.discard(old.nuid) }
        let stored = StoredMeta(key: key, sequence: ack.sequence, time: now, meta: meta)
        index?.learn(stored)
        return stored.info
    }

    /// What is there now, where the put still may replace it.
    private func current() async throws(StorageError) -> StoredMeta? {
        do throws(StorageError) {
            let current = try await bucket.meta(key)
            guard options.precondition.holds(for: current.liveVersion) else {
                throw .preconditionFailed(key: key, options.precondition, current: current.liveVersion)
            }
            return current
        } catch {
            await purger.discard(nuid)
            throw error
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
            return PublishAck(sequence: current.sequence)
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
}

extension Date {
    fileprivate var inMilliseconds: Date {
        Date(timeIntervalSince1970: (timeIntervalSince1970 * 1000).rounded() / 1000)
    }
}
