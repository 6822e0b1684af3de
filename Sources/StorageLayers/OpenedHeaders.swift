import Storage
import Synchronization

/// The headers of encrypted objects that were opened lately: to open one takes longer than to decrypt a small object.
///
/// A header is found by all that it was opened with, so what is found is what opening it again would give.
final class OpenedHeaders: Sendable {
    private struct ID: Hashable {
        let name: ObjectKey
        let values: [String]
    }

    private struct State {
        var recent: [ID: EncryptedObject] = [:]
        var older: [ID: EncryptedObject] = [:]
    }

    /// At most twice as many are kept.
    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int = 1024) {
        self.limit = limit
    }

    func object(_ name: ObjectKey, _ values: [String]) -> EncryptedObject? {
        let id = ID(name: name, values: values)
        return state.withLock { state in
            if let object = state.recent[id] { return object }
            guard let object = state.older[id] else { return nil }
            keep(object, id, &state)
            return object
        }
    }

    func add(_ object: EncryptedObject, _ name: ObjectKey, _ values: [String]) {
        state.withLock { keep(object, ID(name: name, values: values), &$0) }
    }

    private func keep(_ object: EncryptedObject, _ id: ID, _ state: inout State) {
        if state.recent.count >= limit {
            state.older = state.recent
            state.recent = [:]
        }
        state.recent[id] = object
    }
}
