import Storage
import TestSupport

/// A store whose gets, and puts, and keeping do what a test wants of them.
struct GetStore: StoreLayer, ForwardingStore {
    let memory = MemoryStore()
    var base: any Store { memory }
    var respond: @Sendable () async throws(StorageError) -> Void = { () async throws(StorageError) in }
    var beforePut: @Sendable () async -> Void = {}
    var capabilities: Capabilities = [.createOnly, .compareAndSwap, .timeToLive, .metadataUpdate, .messageID]
    var maintainer: StoreMaintainer?
    var beneath: [any Store] { [] }

    /// Gets last until they are cancelled.
    static let endless = GetStore { () async throws(StorageError) in
        try? await Task.sleep(for: .seconds(600))
        throw StorageError.cancelled
    }

    func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try await respond()
        return try await memory.get(key, options: options)
    }

    func put(_ key: ObjectKey, _ body: ObjectBody, options: PutOptions) async throws(StorageError) -> ObjectInfo {
        await beforePut()
        return try await memory.put(key, body, options: options)
    }

    func shutdown() async {}
}
