import Encodings
import Storage

/// Where an ADR-20 object store keeps what: names and subjects, all of them.
struct BucketFormat: Sendable {
    let bucket: String
    /// The bucket whose subjects its messages have: another one where this is its mirror.
    var origin: String

    /// - Throws: `invalid` for a name that NATS object stores do not take.
    init(_ bucket: String) throws(StorageError) {
        guard bucket.isName else {
            throw StorageError(
                .invalid, "bucket “\(bucket.abbreviated)” is not a name of A-Z a-z 0-9 - _", operation: .open)
        }
        self.bucket = bucket
        origin = bucket
    }

    static let streamPrefix = "OBJ_"

    var stream: String { Self.streamPrefix + bucket }
    var allChunks: String { "$O.\(origin).C.>" }
    var allMeta: String { "$O.\(origin).M.>" }

    func chunks(of nuid: String) -> String { "$O.\(origin).C.\(nuid)" }

    func meta(of key: ObjectKey) -> String { "$O.\(origin).M." + Base64URL.encode(Array(key.rawValue.utf8)) }

    /// The key that a meta subject stands for; nil where another program stored a name that is no key.
    func key(ofMeta subject: String) -> ObjectKey? {
        let name = subject.split(separator: ".").last.flatMap { Base64URL.decode(String($0)) }
        return name.flatMap { String(validating: $0, as: UTF8.self) }.flatMap { ObjectKey($0) }
    }

    /// Headers that JetStream acts on.
    enum Header {
        static let rollup = "Nats-Rollup"
        static let expectedLastSubjectSequence = "Nats-Expected-Last-Subject-Sequence"
        static let messageID = "Nats-Msg-Id"
        static let ttl = "Nats-TTL"
    }

    /// What this component adds to ADR-20's `metadata`.
    enum Addition {
        static let contentType = "storage-content-type"
        static let contentEncoding = "storage-content-encoding"
        /// RFC 3339.
        static let expires = "storage-expires"
        /// The stream sequence of the first chunk, where the chunks follow one another without a gap: a range is
        /// read by sequence then.
        static let firstChunk = "storage-first-chunk"
    }
}
