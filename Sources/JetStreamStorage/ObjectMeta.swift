import FoundationEssentials
import NATS
import Storage

/// An object's meta message: the JSON of ADR-20's ObjectInfo.
struct ObjectMeta: Codable, Sendable {
    struct Options: Codable, Sendable {
        struct Link: Codable, Sendable {
            var bucket: String
            var name: String?
        }
        var link: Link?
        var max_chunk_size: Int?
    }

    var name: String
    var description: String?
    var headers: Metadata?
    var metadata: [String: String]?
    var options: Options?
    var bucket: String
    var nuid: String
    var size: Int
    var mtime: String?
    var chunks: Int
    var digest: String?
    var deleted: Bool?

    /// What is stored beside the bytes, of these attributes.
    mutating func set(_ attributes: ObjectAttributes) {
        headers = attributes.metadata.isEmpty ? nil : attributes.metadata
        var additions = metadata ?? [:]
        additions[BucketFormat.Addition.contentType] = attributes.contentType
        additions[BucketFormat.Addition.contentEncoding] = attributes.contentEncoding
        metadata = additions.isEmpty ? nil : additions
    }

    func encoded() throws(StorageError) -> [UInt8] {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .withoutEscapingSlashes
            return Array(try encoder.encode(self))
        } catch {
            throw StorageError(.internal, "encoding the meta message failed", cause: error)
        }
    }
}

/// A meta message as it lies in the stream.
struct StoredMeta: Sendable {
    let meta: ObjectMeta
    let key: ObjectKey
    let sequence: UInt64
    let time: Date
    let expires: Date?

    /// - Throws: `internal` where the message is not what ADR-20 describes.
    init(_ message: StoredMessage, key: ObjectKey) throws(StorageError) {
        do {
            meta = try JSONDecoder().decode(ObjectMeta.self, from: Data(message.payload))
        } catch {
            throw StorageError(
                .internal, "the meta message \(message.sequence) of “\(key)” is not an ADR-20 object info",
                key: key.rawValue, cause: error)
        }
        self.key = key
        sequence = message.sequence
        time = message.time
        expires = meta.metadata?[BucketFormat.Addition.expires].flatMap {
            try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse($0)
        }
    }

    var version: Version { Version(String(sequence)) }

    /// Never negative, whatever the message says.
    var size: Int { max(0, meta.size) }

    var isDeleted: Bool { meta.deleted ?? false }

    func isLive(at now: Date) -> Bool {
        !isDeleted && (expires.map { $0 > now } ?? true)
    }

    var firstChunk: UInt64? {
        meta.metadata?[BucketFormat.Addition.firstChunk].flatMap { UInt64($0) }
    }

    var info: ObjectInfo {
        let additions = meta.metadata ?? [:]
        return ObjectInfo(
            key: key, size: size, version: version, digest: meta.digest.flatMap { Digest($0) },
            modified: time, expires: expires,
            attributes: ObjectAttributes(
                contentType: additions[BucketFormat.Addition.contentType],
                contentEncoding: additions[BucketFormat.Addition.contentEncoding], metadata: meta.headers ?? [:]))
    }
}

extension Date {
    /// RFC 3339 with milliseconds, in UTC.
    var rfc3339: String { formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }
}
