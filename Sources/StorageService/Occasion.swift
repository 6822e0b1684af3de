import Synchronization
import Waiting

/// Something that happens once, and that any number wait for.
final class Occasion: Sendable {
    private struct State {
        var hasHappened = false
        var waiting: [WaitNumber: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    func happen() {
        let waiting = state.withLock { state in
            state.hasHappened = true
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume() }
    }

    /// Returns when it has happened, or when the task is cancelled.
    func wait() async {
        let number = WaitNumber()
        await untilResumed { continuation in
            state.withLock { state -> Void? in
                if state.hasHappened || Task.isCancelled { return () }
                state.waiting[number] = continuation
                return nil
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: number) }?.resume()
        }
    }
}
