import FoundationEssentials
import NATS
public import Storage

extension JetStreamStore {
    /// How many links are followed, one behind the other.
    static let maximumLinks = 8

    /// Puts a link under `key` that leads to the object `target`, here or in `bucket`: gets and infos of `key` tell of
    /// that one, its version included. A write to `key` replaces the link, and its precondition is the link's own version.
    ///
    /// - Throws: `preconditionFailed` where an object is stored under `key`; a link there is replaced.
    public func link(
        _ key: ObjectKey, to target: ObjectKey, in bucket: String? = nil
    ) async throws(StorageError) -> ObjectInfo {
        try await link(key, ObjectMeta.Link(bucket: bucket ?? self.bucket.name, name: target.rawValue))
    }

    /// Puts a link under `key` that leads to the whole of `bucket`; a get of it throws `unsupported`.
    public func link(_ key: ObjectKey, toBucket bucket: String) async throws(StorageError) -> ObjectInfo {
        try await link(key, ObjectMeta.Link(bucket: bucket, name: nil))
    }

    private func link(_ key: ObjectKey, _ link: ObjectMeta.Link) async throws(StorageError) -> ObjectInfo {
        try bucket.checkWritable()
        _ = try BucketFormat(link.bucket)
        while true {
            let current = try await bucket.meta(key)
            if let version = bucket.liveVersion(current), current?.meta.link == nil {
                throw .preconditionFailed(key: key, .absent, current: version)
            }
            var meta = ObjectMeta(nuid: NUID.next())
            meta.extras.link = link
            meta.modified = .now
            let message = bucket.publication(of: meta, as: key, replacing: current?.sequence ?? 0, modified: .now)
            if let ack = try await bucket.commit(message) {
                let stored = StoredMeta(key: key, sequence: ack.sequence, time: .now, meta: meta)
                index?.learn(stored)
                return stored.info
            }
        }
    }

    /// What `read` finds of the object behind `link`; it is told the bucket, the key, and how many links led there.
    func follow<Value: Sendable>(
        _ link: ObjectMeta.Link, from key: ObjectKey, depth: Int,
        _ read: (JetStreamStore, ObjectKey, Int) async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        guard let name = link.name else {
            throw StorageError(.unsupported, "“\(key)” is a link to the bucket “\(link.bucket)”, not to an object")
        }
        guard depth < Self.maximumLinks else {
            throw StorageError(.invalid, "“\(key)” leads through more than \(Self.maximumLinks) links")
        }
        let target = try ObjectKey(validating: name)
        let store = link.bucket == bucket.name ? self : try await sibling(link.bucket)
        do throws(StorageError) {
            return try await read(store, target, depth + 1)
        } catch {
            guard error.kind == .notFound else { throw error }
            throw StorageError(.notFound, "“\(key)” is a link to “\(target)” in “\(link.bucket)”, which is not there")
        }
    }

    /// Another bucket over the same connections, read without an index.
    func sibling(_ name: String) async throws(StorageError) -> JetStreamStore {
        var configuration = BucketConfiguration(name: name)
        configuration.create = false
        configuration.index = .none
        configuration.domain = domain
        configuration.timeout = bucket.timeout
        configuration.readsAnyReplica = bucket.readsAnyReplica
        let store = try await JetStreamStore.find(
            configuration, control: bucket.control.connection, bulk: bucket.bulk.connection, logger: logger)
        // Its leader answers: to look for mirrors costs more.
        store.bucket.rules.update(isMirrored: true)
        return store
    }
}
