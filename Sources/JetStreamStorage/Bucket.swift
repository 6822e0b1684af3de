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
    /// What all puts together may have on its way, small ones aside.
    let budget: FlightBudget
    let chunkSize: Int
    /// The most bytes that bucket and connection take in a chunk.
    let largestChunk: Int
    /// Whether a put is one batch.
    let isAtomic: Bool
    /// Which puts store chunk and meta message in one round trip; nil: none.
    let pairs: PairedPuts?
    /// Who may answer reads.
    let rules: ReadRules
    /// Whether the server's consumers give every message. Those of 2.9 pass over messages while others are replaced.
    let followsReliably: Bool
    /// How long the bucket keeps a message.
    let maxAge: Duration?
    /// How long the server may take to answer.
    let timeout: Duration
    /// Whether the server removes messages whose own time is over (2.11 and later, where the bucket allows it).
    let expiresMessages: Bool

    var name: String { format.bucket }
    /// Whether a read may be late where that is faster.
    var readsAnyReplica: Bool { rules.anyReplica }
    var isMirror: Bool { format.origin != format.bucket }

    /// - Throws: `unsupported` for a mirror, which only its origin writes to.
    func checkWritable() throws(StorageError) {
        guard !isMirror else {
            throw StorageError(.unsupported, "bucket “\(name)” is a mirror; write to “\(format.origin)”")
        }
    }

    /// The newest meta message of `key`, a delete marker or an expired one included.
    func meta(_ key: ObjectKey, atLeader: Bool = false) async throws(StorageError) -> StoredMeta? {
        let message = try await message(.lastBySubject(format.meta(of: key)), atLeader: atLeader)
        return try message.map { message throws(StorageError) in try StoredMeta(message, key: key) }
    }

    /// What a write of `key` would replace.
    func predecessor(_ key: ObjectKey) async throws(StorageError) -> StoredMeta? {
        try await message(.lastBySubject(format.meta(of: key))).map { StoredMeta(replacing: $0, key: key) }
    }

    /// Asks for the newest meta message of `key` and returns at once.
    func startMeta(_ key: ObjectKey) throws(NATSError) -> PendingMessage {
        try control.startMessage(format.stream, .lastBySubject(format.meta(of: key)), direct: rules.readsDirect)
    }

    /// What a write of `key` would replace, which was asked for.
    func predecessor(_ key: ObjectKey, _ pending: PendingMessage) async throws(NATSError) -> StoredMeta? {
        try await answer(pending, .lastBySubject(format.meta(of: key))).map { StoredMeta(replacing: $0, key: key) }
    }

    /// One message of the bucket, meta or not.
    ///
    /// - Parameter atLeader: whether nobody else may answer, whatever the bucket's reads are like.
    func message(
        _ selector: JetStream.MessageSelector, atLeader: Bool = false
    ) async throws(StorageError) -> StoredMessage? {
        try await mapped(name) { () async throws(NATSError) in
            let direct = rules.readsDirect && !(atLeader && rules.anyReplica)
            return try await answer(control.startMessage(format.stream, selector, direct: direct), selector)
        }
    }

    /// The sequence of the stream's last message.
    func lastSequence() async throws(StorageError) -> UInt64 { try await end().last }

    /// The sequence of the stream's last message, and when the stream was created: one that was deleted and made anew
    /// counts from one again.
    func end() async throws(StorageError) -> (last: UInt64, created: String) {
        let info = try await streamInfo()
        return (info.state.lastSequence, info.created ?? "")
    }

    /// Asks for a chunk and returns at once. Any replica may answer: what was written under a NUID never changes.
    func startChunk(_ selector: JetStream.MessageSelector) throws(NATSError) -> PendingMessage {
        try bulk.startMessage(format.stream, selector, direct: rules.allowsDirect)
    }

    /// Asks for the only chunk of a small object and returns at once.
    func startOnlyChunk(of nuid: String) throws(NATSError) -> PendingMessage {
        try control.startMessage(format.stream, .lastBySubject(format.chunks(of: nuid)), direct: rules.allowsDirect)
    }

    /// The first chunk at or behind `sequence`, where a replica or a mirror may not have had it yet; nil where there is
    /// none.
    func chunkAtLeader(_ subject: String, from sequence: UInt64) async throws(NATSError) -> StoredMessage? {
        try await control.message(
            format.stream, .nextBySubject(subject, startSequence: sequence), direct: false)
    }

    /// Whether the bucket still holds what an index knows: its own expiry, and the bucket's, leave no message behind.
    func holds(_ entry: StoredMeta, at now: Date) -> Bool {
        guard entry.isLive(at: now) else { return false }
        return maxAge.map { entry.time.addingTimeInterval($0.seconds) > now } ?? true
    }

    /// When an object is over whose meta message is about to be stored anew: the bucket keeps its chunks no longer than it
    /// would have kept it as it is.
    func end(of entry: StoredMeta) -> Date? {
        guard let maxAge else { return entry.meta.expires }
        let aged = entry.time.addingTimeInterval(maxAge.seconds)
        return entry.meta.expires.map { min($0, aged) } ?? aged
    }

    /// The version that an object has now; nil where it is deleted, expired or was never there.
    func liveVersion(_ meta: StoredMeta?) -> Version? {
        meta.flatMap { holds($0, at: .now) ? $0.version : nil }
    }

    /// The meta of the object that `key` names now.
    func live(_ key: ObjectKey, ifMatch: Version? = nil) async throws(StorageError) -> StoredMeta {
        try check(try await meta(key), key, ifMatch)
    }

    /// The meta of the object that `key` names, where `meta` is the newest of it.
    func check(_ meta: StoredMeta?, _ key: ObjectKey, _ ifMatch: Version?) throws(StorageError) -> StoredMeta {
        guard let meta, holds(meta, at: .now) else {
            throw .notFound(key)
        }
        // A link has the version of what it leads to.
        if meta.meta.link == nil { try Precondition(ifMatch: ifMatch).check(meta.version, of: key) }
        return meta
    }

    /// The message that replaces `predecessor`, and nothing else, by `meta`.
    func publication(
        of meta: ObjectMeta, as key: ObjectKey, replacing predecessor: UInt64, modified: Date, messageID: String? = nil
    ) -> JetStream.Publication {
        var headers: NATSHeaders = [
            BucketFormat.Header.rollup: "sub",
            BucketFormat.Header.expectedLastSubjectSequence: String(predecessor),
        ]
        if !meta.isDeleted, let ttl = messageTTL(meta.expires) { headers.append(BucketFormat.Header.ttl, ttl) }
        if let messageID { headers.append(BucketFormat.Header.messageID, messageID) }
        let payload = meta.encoded(name: key.rawValue, bucket: name, modified: modified)
        return JetStream.Publication(format.meta(of: key), headers: headers, payload: payload)
    }

    /// How long the server keeps a message of an object that expires: longer than the object is found, so that
    /// ``JetStreamStore/maintain()`` is first and tells. Without anybody to call that, the object goes still.
    func messageTTL(_ expires: Date?) -> String? {
        guard expiresMessages, let expires else { return nil }
        return String(Int(max(0, expires.timeIntervalSinceNow).rounded(.up)) + 3600) + "s"
    }

    /// Publishes a meta message. Cancelled before, nothing is sent; afterwards the answer is waited for all the same:
    /// somebody has to remove what was replaced.
    ///
    /// - Returns: nil where another writer was first.
    func commit(_ message: JetStream.Publication) async throws(StorageError) -> PublishAck? {
        if Task.isCancelled { throw StorageError.cancelled }
        do throws(NATSError) {
            return try await control.publishToTheEnd(message)
        } catch {
            return try notFirst(error)
        }
    }

    /// Nil where the server refused because another writer was first.
    func notFirst(_ error: NATSError) throws(StorageError) -> PublishAck? {
        if case .api(_, JetStreamErrorCode.wrongLastSequence) = error.code { return nil }
        throw StorageError(error, bucket: name)
    }

    /// Removes the chunks of one put.
    func purgeChunks(of nuid: String) async throws(StorageError) {
        guard !nuid.isEmpty, !nuid.contains(where: { ".*> ".contains($0) }) else { return }
        _ = try await mapped(name) { () async throws(NATSError) in
            try await control.purge(format.stream, filter: format.chunks(of: nuid))
        }
    }
}
