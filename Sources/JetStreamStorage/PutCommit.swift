import FoundationEssentials
import NATS
import Storage

extension Put {
    func message(_ meta: ObjectMeta, replacing predecessor: StoredMeta?) -> JetStream.Publication {
        bucket.publication(
            of: meta, as: key, replacing: predecessor?.sequence ?? 0, modified: now, messageID: options.messageID)
    }

    /// Publishes the meta message until it is stored or must not be; `outcome` is what became of a first attempt.
    func commit(
        _ meta: ObjectMeta, replacing predecessor: StoredMeta?, _ outcome: Result<PublishAck, NATSError>?
    ) async throws(StorageError) -> ObjectInfo {
        if let info = try await attempt(meta, replacing: predecessor, outcome) { return info }
        return try await commitInTurn(meta)
    }

    /// Another writer was first. Those of this process go one after the other now instead of refusing one another.
    func commitInTurn(_ meta: ObjectMeta) async throws(StorageError) -> ObjectInfo {
        try await locks.withLock(key) { () async throws(StorageError) in
            // Those that wait in turn wait for long where the server is slow.
            if Task.isCancelled {
                discard()
                throw StorageError.cancelled
            }
            // The one before has told the index what it stored.
            if let index, index.isLive, let known = index.hint(key),
                options.precondition.holds(for: bucket.liveVersion(known)),
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
    func attempt(
        _ meta: ObjectMeta, replacing predecessor: StoredMeta?, _ outcome: Result<PublishAck, NATSError>?
    ) async throws(StorageError) -> ObjectInfo? {
        let ack: PublishAck?
        do throws(StorageError) {
            ack = try await settled(meta, replacing: predecessor, outcome)
        } catch {
            if !isUndecided(error) { discard() }
            throw error
        }
        guard let ack else { return nil }
        if ack.duplicate {
            discard()
            return try await earlier(ack.sequence, meta)
        }
        if let old = predecessor?.meta, old.nuid != nuid, old.chunks > 0 { await purger.discardReplaced(old.nuid) }
        let stored = StoredMeta(key: key, sequence: ack.sequence, time: now, meta: meta)
        index?.learn(stored)
        return stored.info
    }

    /// Sees to it that what this put stored goes. Of a batch that was not committed nothing is stored.
    func discard() { if !bucket.isAtomic { purger.discard(nuid) } }

    /// What is there now, where the put still may replace it.
    func current() async throws(StorageError) -> StoredMeta? {
        do throws(StorageError) {
            let current = try await bucket.predecessor(key)
            try options.precondition.check(bucket.liveVersion(current), of: key)
            return current
        } catch {
            discard()
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

    /// Whether a meta message may still be stored, now or later: its chunks have to stay then. One that was sent is waited
    /// for, cancelled or not: cancelled, it was not sent.
    private func isUndecided(_ error: StorageError) -> Bool { (error.cause as? NATSError)?.isUndecided ?? false }

    /// What was stored under the same id before; gone since, it is what this put would have stored.
    private func earlier(_ sequence: UInt64, _ meta: ObjectMeta) async throws(StorageError) -> ObjectInfo {
        let message = try await bucket.message(.sequence(sequence))
        if let message, let key = bucket.format.key(ofMeta: message.subject) {
            return try StoredMeta(message, key: key).info
        }
        return StoredMeta(key: key, sequence: sequence, time: now, meta: meta).info
    }
}
