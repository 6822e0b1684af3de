import Storage

/// A memory store whose changes are told when it is asked to, not before: what a watch over a slow connection looks like.
final class WatchedStore: WatchableStore {
    let base: any Store
    let hub = ChangeHub()

    init(_ base: any Store = MemoryStore()) {
        self.base = base
    }

    var capabilities: Capabilities { base.capabilities }

    func watch(_ query: WatchQuery) async throws(StorageError) -> StoreChanges {
        hub.watch(query).changes
    }

    func put(_ key: ObjectKey, _ body: ObjectBody, options: PutOptions) async throws(StorageError) -> ObjectInfo {
        try await base.put(key, body, options: options)
    }

    func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try await base.get(key, options: options)
    }

    func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await base.info(key, options: options)
    }

    func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await base.delete(key, options: options)
    }

    func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try await base.list(query)
    }

    func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await base.setMetadata(key, attributes, options: options)
    }

    func shutdown() async {
        hub.finish()
        await base.shutdown()
    }
}
