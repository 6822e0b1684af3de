import Storage
import Synchronization

/// A cold tier that remembers what it has stored: version by version, at the moment when each became visible.
final class Recorder: Store {
    struct Record: Sendable, Hashable {
        let key: ObjectKey
        let digest: Digest?
    }

    private let base: MemoryStore
    private let records = Mutex<[Version: Record]>([:])

    init(_ base: MemoryStore) {
        self.base = base
    }

    /// What was stored as this version; nil where nothing was. Whoever stored it may be just about to remember it.
    func record(of version: Version) async -> Record? {
        for _ in 0..<30_000 {
            if let record = records.withLock({ $0[version] }) { return record }
            try? await Task.sleep(for: .milliseconds(1))
        }
        return nil
    }

    /// The newest version of `key` that was stored, as a memory store counts them up; 0 for none.
    func newest(of key: ObjectKey) -> Int {
        records.withLock { records in
            records.filter { $0.value.key == key }.compactMap { Int($0.key.description) }.max() ?? 0
        }
    }

    private func remember(_ info: ObjectInfo) -> ObjectInfo {
        records.withLock { $0[info.version] = Record(key: info.key, digest: info.digest) }
        return info
    }

    var capabilities: Capabilities { base.capabilities }

    func put(_ key: ObjectKey, _ body: ObjectBody, options: PutOptions) async throws(StorageError) -> ObjectInfo {
        // In steps, so that other tasks come between.
        await Task.yield()
        let info = remember(try await base.put(key, body, options: options))
        await Task.yield()
        return info
    }

    func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        await Task.yield()
        let object = try await base.get(key, options: options)
        await Task.yield()
        return object
    }

    func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        await Task.yield()
        let info = try await base.info(key, options: options)
        await Task.yield()
        return info
    }

    func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        await Task.yield()
        let existed = try await base.delete(key, options: options)
        await Task.yield()
        return existed
    }

    func list(_ query: ListQuery) async throws(StorageError) -> ListPage { try await base.list(query) }

    func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        remember(try await base.setMetadata(key, attributes, options: options))
    }

    func shutdown() async { await base.shutdown() }
}
