import Storage
import Synchronization
import TestSupport

/// A store whose next get, when it is asked to, waits with what it has found.
final class Held: ForwardingStore {
    private enum State {
        case passes, holdsNext, holds
    }

    let base: any Store
    private let state = Mutex(State.passes)

    init(_ base: any Store) {
        self.base = base
    }

    /// Whether a get waits.
    var holds: Bool { state.withLock { $0 == .holds } }

    func holdNext() { state.withLock { $0 = .holdsNext } }

    func release() { state.withLock { $0 = .passes } }

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
}
