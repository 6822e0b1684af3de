import Synchronization

/// Counts what is under way, and tells when it is over.
final class UnderWay: Sendable {
    private struct State {
        var count = 0
        var watcher: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func begin() { state.withLock { $0.count += 1 } }

    func end() {
        let watcher = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.count -= 1
            guard state.count == 0 else { return nil }
            defer { state.watcher = nil }
            return state.watcher
        }
        watcher?.resume()
    }

    /// Returns when nothing is; for one caller, after the last beginning.
    func finish() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.count > 0 { state.watcher = continuation }
                return state.count == 0
            }
            if isOver { continuation.resume() }
        }
    }
}
