import FoundationEssentials
import NATS
import Storage

/// One put: chunks first, then the meta message, which is the commit.
struct Put: Sendable {
    /// More chunks in flight gain nothing, and a flood is refused by the server.
    private static let window = 64

    let bucket: Bucket
    let key: ObjectKey
    let options: PutOptions
    private let nuid = NUID.next()

    init(bucket: Bucket, key: ObjectKey, options: PutOptions) {
        self.bucket = bucket
        self.key = key
        self.options = options
    }

    func run(_ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        // Before any chunk: a put that can't succeed costs one read.
        let predecessor = try await predecessor()
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
            return try await commit(meta, replacing: predecessor)
        } catch {
            if !isUndecided(error) { await giveUp(window) }
            throw error
        }
    }

    /// The meta message to replace, after the precondition was checked against it.
    private func predecessor() async throws(StorageError) -> StoredMeta? {
        let current = try await bucket.meta(key)
        let version = current.flatMap { $0.isLive(at: .now) ? $0.version : nil }
        // With an id the same put may have happened already: the server knows when the meta message reaches it.
        guard options.precondition.holds(for: version) || options.messageID != nil else {
            throw .preconditionFailed(key: key, options.precondition, current: version)
        }
        return current
    }

    private func store(_ body: ObjectBody, _ window: PublishWindow) async throws(StorageError) -> ObjectMeta {
        var reader = BodyReader(body)
        let subject = bucket.format.chunks(of: nuid)
        while let chunk = try await reader.next(bucket.chunkSize) {
            if Task.isCancelled { throw StorageError.cancelled }
            try await mapped(bucket.name) { () async throws(NATSError) in
                try await window.publish(subject, payload: chunk)
            }
        }
        let digest = try reader.finish(expected: options.expectedDigest)
        let summary = try await mapped(bucket.name) { () async throws(NATSError) in try await window.finish() }
        return meta(size: reader.count, digest: digest, summary)
    }

    private func meta(size: Int, digest: Digest, _ chunks: PublishWindow.Summary) -> ObjectMeta {
        let now = Date.now
        var meta = ObjectMeta(
            name: key.rawValue, options: .init(max_chunk_size: bucket.chunkSize), bucket: bucket.name, nuid: nuid,
            size: size, mtime: now.rfc3339, chunks: chunks.count, digest: digest.description)
        meta.set(options.attributes)
        var additions = meta.metadata ?? [:]
        additions[BucketFormat.Addition.expires] =
            options.timeToLive.map { now.addingTimeInterval($0.seconds).rfc3339 }
        if let sequences = chunks.sequences,
            sequences.upperBound - sequences.lowerBound == UInt64(chunks.count - 1)
        {
            additions[BucketFormat.Addition.firstChunk] = String(sequences.lowerBound)
        }
        meta.metadata = additions.isEmpty ? nil : additions
        return meta
    }

    private func commit(
        _ meta: ObjectMeta, replacing first: StoredMeta?
    ) async throws(StorageError) -> ObjectInfo {
        var predecessor = first
        while true {
            let ack = try await settled(meta, replacing: predecessor)
            if let ack, ack.duplicate ?? false {
                await bucket.discardChunks(of: nuid)
                return try await earlier(ack.sequence)
            }
            if let ack {
                if let old = predecessor, old.meta.nuid != nuid { await bucket.discardChunks(of: old.meta.nuid) }
                return info(meta, ack.sequence)
            }
            // Another writer was first: whether this put still may, its precondition says.
            predecessor = try await bucket.meta(key)
            let version = predecessor.flatMap { $0.isLive(at: .now) ? $0.version : nil }
            guard options.precondition.holds(for: version) else {
                throw .preconditionFailed(key: key, options.precondition, current: version)
            }
        }
    }

    /// Publishes the meta message; after a silence, looks whether it is there.
    private func settled(
        _ meta: ObjectMeta, replacing predecessor: StoredMeta?
    ) async throws(StorageError) -> PublishAck? {
        do throws(StorageError) {
            return try await bucket.publish(
                meta, of: key, replacing: predecessor?.sequence ?? 0, messageID: options.messageID)
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

    private func info(_ meta: ObjectMeta, _ sequence: UInt64) -> ObjectInfo {
        let time = meta.mtime.flatMap { try? Self.format.parse($0) } ?? .now
        return ObjectInfo(
            key: key, size: meta.size, version: Version(String(sequence)), digest: meta.digest.flatMap { Digest($0) },
            modified: time,
            expires: meta.metadata?[BucketFormat.Addition.expires].flatMap { try? Self.format.parse($0) },
            attributes: options.attributes)
    }

    private static let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    /// Removes what the put stored, when nothing of it is under way any more.
    private func giveUp(_ window: PublishWindow) async {
        let (bucket, nuid) = (bucket, nuid)
        // Not cancelled with the caller: what was stored has to go.
        await Task {
            await window.abort()
            await bucket.discardChunks(of: nuid)
        }.value
    }
}
