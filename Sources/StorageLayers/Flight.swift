import Storage
import Synchronization
import Waiting

/// One fetch for everybody who wants the same thing at the same time.
///
/// It belongs to all who wait for it: it goes on when the one who started it is cancelled, and is cancelled with the last.
final class Flight<Value: Sendable>: Sendable {
    typealias Outcome = Result<Value, StorageError>
    private typealias Continuation = CheckedContinuation<Outcome, Never>

    private struct State {
        var outcome: Outcome?
        var waiting: [WaitNumber: Continuation] = [:]
        /// How many have joined and not left.
        var passengers = 0
        var isAbandoned = false
        var task: Task<Void, Never>?
    }

    private let state = Mutex(State())

    /// Counts one more who will wait; false where it was given up already.
    func join() -> Bool {
        state.withLock { state in
            guard !state.isAbandoned else { return false }
            state.passengers += 1
            return true
        }
    }

    /// Starts the work, which ends with ``land(_:)``.
    func start(_ work: @escaping @Sendable () async -> Void) {
        // Unstructured, since it may outlive whoever starts it.
        let task = Task { await work() }
        let isAbandoned = state.withLock { state in
            state.task = task
            return state.isAbandoned
        }
        if isAbandoned { task.cancel() }
    }

    func land(_ outcome: Outcome) {
        let waiting = state.withLock { state in
            state.outcome = outcome
            state.task = nil
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume(returning: outcome) }
    }

    /// What it brought; once for each who joined.
    ///
    /// - Throws: what the work threw, or `cancelled` where the waiting task was.
    func value() async throws(StorageError) -> Value {
        let number = WaitNumber()
        let outcome = await untilResumed { continuation in
            state.withLock { state -> Outcome? in
                if let outcome = state.outcome { return outcome }
                if Task.isCancelled { return .failure(.cancelled) }
                state.waiting[number] = continuation
                return nil
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(returning: .failure(.cancelled))
        }
        leave()
        return try outcome.get()
    }

    private func leave() {
        let task = state.withLock { state -> Task<Void, Never>? in
            state.passengers -= 1
            guard state.passengers == 0, state.outcome == nil else { return nil }
            state.isAbandoned = true
            return state.task
        }
        task?.cancel()
    }
}
