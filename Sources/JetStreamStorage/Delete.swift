import FoundationEssentials
import NATS
public import Storage

extension JetStreamStore {
    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            try bucket.checkWritable()
            try options.validate()
            return try await remove(key, options.precondition)
        } catch {
            throw error.during(.delete, key: key)
        }
    }

    private func remove(_ key: ObjectKey, _ precondition: Precondition) async throws(StorageError) -> Bool {
        while true {
            let current = try await bucket.predecessor(key)
            try precondition.check(bucket.liveVersion(current), of: key)
            guard let current, !current.meta.isDeleted else { return false }
            var marker = ObjectMeta(nuid: current.meta.nuid)
            marker.isDeleted = true
            let message = bucket.publication(of: marker, as: key, replacing: current.sequence, modified: .now)
            if let ack = try await bucket.commit(message) {
                index?.learn(StoredMeta(key: key, sequence: ack.sequence, time: .now, meta: marker))
                await purger.discardReplaced(current.meta.nuid)
                return bucket.liveVersion(current) != nil
            }
        }
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            try bucket.checkWritable()
            return try await replace(attributes, of: key, options.precondition)
        } catch {
            throw error.during(.setMetadata, key: key)
        }
    }

    private func replace(
        _ attributes: ObjectAttributes, of key: ObjectKey, _ precondition: Precondition
    ) async throws(StorageError) -> ObjectInfo {
        while true {
            let current = try await bucket.live(key)
            try precondition.check(current.version, of: key)
            var meta = current.meta
            meta.attributes = attributes
            meta.expires = bucket.end(of: current)
            let message = bucket.publication(of: meta, as: key, replacing: current.sequence, modified: current.modified)
            if let ack = try await bucket.commit(message) {
                let stored = StoredMeta(key: key, sequence: ack.sequence, time: current.time, meta: meta)
                index?.learn(stored)
                return stored.info
            }
        }
    }
}
