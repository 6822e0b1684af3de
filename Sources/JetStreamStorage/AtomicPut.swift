import NATS
import Storage
import Synchronization

/// A put whose chunks and meta message are stored as one batch; see ``BucketConfiguration/isAtomic``.
extension Put {
    /// Up to this many bytes are read before the batch begins, so that it can be sent again.
    private static let gathered = 8 << 20
    /// So many batches are open at once: servers take fifty of a stream, other processes' among them.
    static let atOnce = 24

    func storeAtomically(_ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        guard options.messageID == nil else {
            throw StorageError(
                .unsupported, "an atomic bucket takes no message ids: a batch is not told what it repeats")
        }
        let body = try await body.gathered(upTo: Self.gathered)
        let permit = try await batches.take()
        defer { permit.giveBack() }
        return try await storeInRounds(body)
    }

    private func storeInRounds(_ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        var predecessor = try await current()
        while true {
            if let info = try await attemptAtomically(body, replacing: predecessor) { return info }
            predecessor = try await current()
            // Nothing of it was stored: what was streamed has to come again.
            guard body.bytesAtHand != nil else {
                throw StorageError(.unavailable, "another writer replaced “\(key)” during the put; send it again")
            }
        }
    }

    /// Nil where another writer was first.
    private func attemptAtomically(
        _ body: ObjectBody, replacing predecessor: StoredMeta?
    ) async throws(StorageError) -> ObjectInfo? {
        let chunkSize = try atomicChunkSize(body.size)
        var batch = bucket.bulk.atomicBatch(window: window(of: chunkSize), budget: bucket.budget)
        let meta: ObjectMeta
        do throws(StorageError) {
            meta = try await add(body, chunkSize, to: &batch)
            if Task.isCancelled { throw StorageError.cancelled }
        } catch {
            await batch.abandon()
            throw error
        }
        let outcome: Result<PublishAck, NATSError>
        do throws(NATSError) {
            outcome = .success(try await batch.commit(message(meta, replacing: predecessor)))
        } catch {
            outcome = .failure(error)
        }
        return try await attempt(meta, replacing: predecessor, outcome)
    }

    private func add(
        _ body: ObjectBody, _ chunkSize: Int, to batch: inout AtomicBatch
    ) async throws(StorageError) -> ObjectMeta {
        var reader = BodyReader(body)
        var chunks = 0
        while let chunk = try await reader.next(chunkSize) {
            guard batch.room > 0 else { throw tooLargeForOne(chunkSize) }
            if Task.isCancelled { throw StorageError.cancelled }
            let message = JetStream.Publication(bucket.format.chunks(of: nuid), headers: chunkHeaders, payload: chunk)
            do throws(NATSError) {
                try await batch.add(message)
            } catch {
                throw StorageError(error, bucket: bucket.name)
            }
            chunks += 1
        }
        let digest = try await reader.finish(expected: options.expectedDigest)
        return meta(size: reader.count, chunks: chunks, digest, chunkSize: chunkSize)
    }

    /// Larger than usual where an object of a known size would have too many.
    private func atomicChunkSize(_ size: Int?) throws(StorageError) -> Int {
        let most = AtomicBatch.limit - 1
        let needed = ((size ?? 0) + most - 1) / most
        guard needed <= bucket.largestChunk else { throw tooLargeForOne(bucket.largestChunk) }
        return max(bucket.chunkSize, needed)
    }

    private func tooLargeForOne(_ chunkSize: Int) -> StorageError {
        let most = (AtomicBatch.limit - 1) * chunkSize
        return StorageError(
            .tooLarge,
            "an atomic put takes at most \(most) bytes here; raise chunk_size (up to the server's max_payload), or use a "
                + "bucket that is not atomic")
    }
}

extension ObjectBody {
    /// The same bytes, at hand if there are no more than `limit`.
    fileprivate func gathered(upTo limit: Int) async throws(StorageError) -> ObjectBody {
        guard bytesAtHand == nil, size ?? 0 <= limit, trailingDigest == nil else { return self }
        let pull = pull
        var bytes: [UInt8] = []
        while bytes.count <= limit {
            guard let chunk = try await pull() else {
                let whole = ObjectBody(bytes)
                // One that ends too early is told by whoever reads it.
                return size ?? bytes.count == bytes.count ? whole : ObjectBody(size: size, pull: whole.pull)
            }
            bytes += chunk
        }
        let begun = Mutex(bytes)
        return ObjectBody(size: size) { () async throws(StorageError) in
            let first = begun.withLock { begun in
                defer { begun = [] }
                return begun
            }
            return first.isEmpty ? try await pull() : first
        }
    }
}
