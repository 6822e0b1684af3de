import FoundationEssentials
import NATS
public import Storage

extension JetStreamStore {
    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            if options.precondition == .absent {
                throw StorageError(.invalid, "a delete can't ask that nothing is stored there")
            }
            return try await remove(key, options.precondition)
        } catch {
            throw error.during(.delete, key: key)
        }
    }

    private func remove(_ key: ObjectKey, _ precondition: Precondition) async throws(StorageError) -> Bool {
        while true {
            let current = try await bucket.meta(key)
            let live = current.flatMap { $0.isLive(at: .now) ? $0 : nil }
            guard precondition.holds(for: live?.version) else {
                throw .preconditionFailed(key: key, precondition, current: live?.version)
            }
            guard let current, !current.isDeleted else { return false }
            var marker = current.meta
            marker.deleted = true
            marker.size = 0
            marker.chunks = 0
            marker.digest = ""
            marker.mtime = Date.now.rfc3339
            if try await bucket.publish(marker, of: key, replacing: current.sequence) != nil {
                await bucket.discardChunks(of: current.meta.nuid)
                return live != nil
            }
        }
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
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
            guard precondition.holds(for: current.version) else {
                throw .preconditionFailed(key: key, precondition, current: current.version)
            }
            var meta = current.meta
            meta.set(attributes)
            if let ack = try await bucket.publish(meta, of: key, replacing: current.sequence) {
                var info = current.info
                info.attributes = attributes
                info.version = Version(String(ack.sequence))
                return info
            }
        }
    }
}
