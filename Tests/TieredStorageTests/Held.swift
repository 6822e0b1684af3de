import Storage
import Synchronization

/// A store whose next get, when it is asked to, waits with what it has found.
final class Held: Store {
    private enum State {
        case passes, holdsNext, holds
    }

    private let base: any Store
    private let state = Mutex(State.passes)

    init(_ base: any Store) {
        self.base = base
    }

    /// Whether a get waits.
    var holds: Bool { state.withLock { $0 == .holds } }

    func holdNext() { state.withLock { $0 = .holdsNext } }

    func release() { state.withLock { $0 = .passes } }

    var capabilities: Capabilities { base.capabilities }

    func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        let found = try await base.get(key, options: options)
        let isHeld = state.withLock { state in
            guard state == .holdsNext else { return false }
            state = .holds
            return true
        }
        while isHeld && holds { await Task.yield() }
        return found
    }

    func put(_ key: ObjectKey, _ body: ObjectBody, options: PutOptions) async throws(StorageError) -> ObjectInfo {
        try await base.put(key, body, options: options)
    }

    func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await base.info(key, options: options)
    }

    func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await base.delete(key, options: options)
    }

    func list(_ query: ListQuery) async throws(StorageError) -> ListPage { try await base.list(query) }

    func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await base.setMetadata(key, attributes, options: options)
    }

    func shutdown() async { await base.shutdown() }
}
