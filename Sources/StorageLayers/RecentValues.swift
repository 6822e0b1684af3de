import Synchronization

/// Values that were used lately, by what they follow from.
final class RecentValues<ID: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct State {
        var recent: [ID: Value] = [:]
        var older: [ID: Value] = [:]
    }

    /// At most twice as many are kept.
    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) {
        self.limit = limit
    }

    func value(_ id: ID) -> Value? {
        state.withLock { state in
            if let value = state.recent[id] { return value }
            guard let value = state.older[id] else { return nil }
            keep(value, id, &state)
            return value
        }
    }

    func add(_ value: Value, _ id: ID) {
        state.withLock { keep(value, id, &$0) }
    }

    private func keep(_ value: Value, _ id: ID, _ state: inout State) {
        if state.recent.count >= limit {
            state.older = state.recent
            state.recent = [:]
        }
        state.recent[id] = value
    }
}
