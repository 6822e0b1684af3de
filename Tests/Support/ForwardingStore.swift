package import Storage

/// A store that does what `base` does: tests write the operations that they look at.
package protocol ForwardingStore: Store {
    var base: any Store { get }
}

extension ForwardingStore {
    package var capabilities: Capabilities { base.capabilities }

    package func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await base.put(key, body, options: options)
    }

    package func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try await base.get(key, options: options)
    }

    package func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await base.info(key, options: options)
    }

    package func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await base.delete(key, options: options)
    }

    package func list(_ query: ListQuery) async throws(StorageError) -> ListPage { try await base.list(query) }

    package func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await base.setMetadata(key, attributes, options: options)
    }

    package func shutdown() async { await base.shutdown() }
}
