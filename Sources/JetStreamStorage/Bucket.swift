import FoundationEssentials
import NATS
import Storage

/// An open bucket: what its messages are, one request each.
struct Bucket: Sendable {
    let format: BucketFormat
    /// For requests and meta messages.
    let control: JetStream
    /// For chunks.
    let bulk: JetStream
    let chunkSize: Int
    /// Whether reads may be answered beside the leader; a single replica is its own leader.
    let readsDirect: Bool
    /// How long the bucket keeps a message.
    let maxAge: Duration?

    var name: String { format.bucket }

    /// The newest meta message of `key`, a delete marker or an expired one included.
    func meta(_ key: ObjectKey) async throws(StorageError) -> StoredMeta? {
        let message = try await message(.lastBySubject(format.meta(of: key)))
        return try message.map { message throws(StorageError) in try StoredMeta(message, key: key) }
    }

    /// One message of the bucket, meta or not.
    func message(_ selector: JetStream.MessageSelector) async throws(StorageError) -> StoredMessage? {
        try await mapped(name) { () async throws(NATSError) in
            try await control.message(format.stream, selector, direct: readsDirect)
        }
    }

    /// The first chunk of a put at or after a sequence.
    func chunk(of nuid: String, from sequence: UInt64) async throws(StorageError) -> StoredMessage? {
        try await mapped(name) { () async throws(NATSError) in
            try await bulk.message(
                format.stream, .nextBySubject(format.chunks(of: nuid), startSequence: sequence), direct: readsDirect)
        }
    }

    /// Every meta message from a sequence on, in order.
    func metaMessages(from sequence: UInt64) async throws(StorageError) -> [StoredMessage] {
        var found: [StoredMessage] = []
        do throws(NATSError) {
            try await control.scan(format.stream, filter: format.allMeta, startSequence: sequence) {
                found.append($0)
            }
        } catch {
            throw StorageError(error, bucket: name)
        }
        return found
    }

    /// The meta of the object that `key` names now.
    func live(_ key: ObjectKey, ifMatch: Version? = nil) async throws(StorageError) -> StoredMeta {
        guard let meta = try await meta(key), meta.isLive(at: .now) else {
            throw .notFound(key)
        }
        if let ifMatch, ifMatch != meta.version {
            throw .preconditionFailed(key: key, .matches(ifMatch), current: meta.version)
        }
        return meta
    }

    /// Replaces `predecessor`, and nothing else, by `meta`.
    ///
    /// - Returns: nil where another writer was first.
    func publish(
        _ meta: ObjectMeta, of key: ObjectKey, replacing predecessor: UInt64, messageID: String? = nil
    ) async throws(StorageError) -> PublishAck? {
        var headers: NATSHeaders = [
            BucketFormat.Header.rollup: "sub",
            BucketFormat.Header.expectedLastSubjectSequence: String(predecessor),
        ]
        if let messageID { headers.set(BucketFormat.Header.messageID, messageID) }
        let payload = try meta.encoded()
        do throws(NATSError) {
            return try await control.publish(format.meta(of: key), headers: headers, payload: payload)
        } catch {
            if case .api(_, 10071) = error.code { return nil }
            throw StorageError(error, bucket: name)
        }
    }

    /// Removes the chunks of one put.
    func purgeChunks(of nuid: String) async throws(StorageError) {
        guard !nuid.isEmpty, !nuid.contains(where: { ".*> ".contains($0) }) else { return }
        _ = try await mapped(name) { () async throws(NATSError) in
            try await control.purge(format.stream, filter: format.chunks(of: nuid))
        }
    }

    /// Removes chunks that nothing refers to any more; where that fails they only take room.
    func discardChunks(of nuid: String) async {
        for attempt in 0..<3 {
            do throws(StorageError) {
                return try await purgeChunks(of: nuid)
            } catch {
                try? await Task.sleep(for: .milliseconds(50 << attempt))
            }
        }
    }
}
