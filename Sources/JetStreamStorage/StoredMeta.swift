import Encodings
import FoundationEssentials
import NATS
import Storage

/// A meta message as it lies in the stream.
struct StoredMeta: Sendable {
    let key: ObjectKey
    let sequence: UInt64
    let time: Date
    let meta: ObjectMeta

    init(key: ObjectKey, sequence: UInt64, time: Date, meta: ObjectMeta) {
        self.key = key
        self.sequence = sequence
        self.time = time
        self.meta = meta
    }

    /// - Throws: `internal` where the message is not what ADR-20 describes.
    init(_ message: StoredMessage, key: ObjectKey) throws(StorageError) {
        do {
            self.init(
                key: key, sequence: message.sequence, time: message.time, meta: try ObjectMeta(parsing: message.payload)
            )
        } catch {
            throw StorageError(
                .internal, "the meta message \(message.sequence) of “\(key)” is not an ADR-20 object info",
                key: key.rawValue)
        }
    }

    /// What stands at `key`, for whoever replaces it: something that is no object info is as good as a delete marker.
    init(replacing message: StoredMessage, key: ObjectKey) {
        var unreadable = ObjectMeta(nuid: "")
        unreadable.isDeleted = true
        let meta = (try? ObjectMeta(parsing: message.payload)) ?? unreadable
        self.init(key: key, sequence: message.sequence, time: message.time, meta: meta)
    }

    /// Whether it is `message`: a sequence alone is not, where the bucket was made anew.
    func isStored(as message: StoredMessage) -> Bool {
        sequence == message.sequence && abs(time.timeIntervalSince(message.time)) < 0.001
    }

    var version: Version { Version(String(sequence)) }

    /// By the writer's clock, as its put's answer said it, or the server's.
    var modified: Date { meta.modified ?? time }

    func isLive(at now: Date) -> Bool {
        !meta.isDeleted && (meta.expires.map { $0 > now } ?? true)
    }

    func isExpired(at now: Date) -> Bool {
        !meta.isDeleted && (meta.expires.map { $0 <= now } ?? false)
    }

    var info: ObjectInfo {
        ObjectInfo(
            key: key, size: meta.size, version: version, digest: meta.digest, modified: modified, expires: meta.expires,
            attributes: meta.attributes)
    }
}
