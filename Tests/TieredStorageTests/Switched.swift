import Storage
import Synchronization

/// Whether something is away.
final class Switch: Sendable {
    private let isOn = Mutex(false)

    func turn(on: Bool) { isOn.withLock { $0 = on } }

    func check() throws(StorageError) {
        if isOn.withLock({ $0 }) { throw StorageError(.unavailable, "away") }
    }
}

/// A store that can be taken away.
struct Switched: Store {
    private let base: any Store
    private let away: Switch

    init(_ base: any Store, _ away: Switch) {
        self.base = base
        self.away = away
    }

    var capabilities: Capabilities { base.capabilities }

    func put(_ key: ObjectKey, _ body: ObjectBody, options: PutOptions) async throws(StorageError) -> ObjectInfo {
        try away.check()
        return try await base.put(key, body, options: options)
    }

    func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try away.check()
        return try await base.get(key, options: options)
    }

    func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try away.check()
        return try await base.info(key, options: options)
    }

    func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try away.check()
        return try await base.delete(key, options: options)
    }

    func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try away.check()
        return try await base.list(query)
    }

    func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try away.check()
        return try await base.setMetadata(key, attributes, options: options)
    }

    func shutdown() async { await base.shutdown() }
}
