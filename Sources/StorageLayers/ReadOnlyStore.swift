public import Storage

/// A layer that lets nothing be changed: puts, deletes and changes of metadata throw `unsupported`.
public struct ReadOnlyStore: StoreLayer {
    private let base: any Store

    /// What `base` holds, to be read.
    public init(_ base: any Store) {
        self.base = base
    }

    /// None: all of them speak of writes.
    public var capabilities: Capabilities { [] }

    public var beneath: [any Store] { [base] }

    /// Throws `unsupported`; nothing is read of the body.
    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        throw refusal(.put, key)
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try await base.get(key, options: options)
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await base.info(key, options: options)
    }

    /// Throws `unsupported`, whether there is an object or not.
    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        throw refusal(.delete, key)
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try await base.list(query)
    }

    /// Throws `unsupported`.
    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        throw refusal(.setMetadata, key)
    }

    public func shutdown() async {
        await base.shutdown()
    }

    private func refusal(_ operation: StorageError.Operation, _ key: ObjectKey) -> StorageError {
        StorageError(
            .unsupported, "this store is configured to be read only; write “\(key)” through another one",
            key: key.rawValue, operation: operation)
    }
}
