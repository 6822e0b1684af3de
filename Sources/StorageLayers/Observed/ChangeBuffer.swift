import DequeModule
import Storage
import Synchronization
import Waiting

/// Changes on their way to one watcher that gets them all: who sends one waits while too many wait to be read.
final class ChangeBuffer: Sendable {
    private struct State {
        var changes: Deque<StoreChange> = []
        var isFinished = false
        var reader: CheckedContinuation<Void, Never>?
        var writers: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    /// Appends a change; never waits, so it may be called under a lock. Ask for ``room()`` behind it.
    func append(_ change: StoreChange) {
        let reader = state.withLock { state in
            if !state.isFinished { state.changes.append(change) }
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    /// Waits until no more than the capacity waits, or until the end, or until the task is cancelled.
    func room() async {
        await wait(isReader: false) { $0.changes.count <= capacity }
    }

    /// The next change; nil after the end.
    func next() async throws(StorageError) -> StoreChange? {
        await wait(isReader: true) { !$0.changes.isEmpty }
        let (change, writers) = state.withLock { state in
            let change = state.changes.popFirst()
            let writers = state.changes.count <= capacity ? state.writers : []
            if !writers.isEmpty { state.writers = [] }
            return (change, writers)
        }
        writers.forEach { $0.resume() }
        if change == nil, Task.isCancelled { throw .cancelled }
        return change
    }

    /// What waits is read still; nobody waits to send any more.
    func finish() {
        wake { $0.isFinished = true }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiting = state.withLock { state in
            change(&state)
            defer { (state.reader, state.writers) = (nil, []) }
            return state.writers + (state.reader.map { [$0] } ?? [])
        }
        waiting.forEach { $0.resume() }
    }

    private func wait(isReader: Bool, until isReady: (borrowing State) -> Bool) async {
        while !Task.isCancelled, !state.withLock({ isReady($0) || $0.isFinished }) {
            await untilResumed { continuation in
                state.withLock { state -> Void? in
                    if Task.isCancelled || isReady(state) || state.isFinished { return () }
                    if isReader { state.reader = continuation } else { state.writers.append(continuation) }
                    return nil
                }
            } onCancel: {
                // Everybody looks again; who was not cancelled waits on.
                wake { _ in }
            }
        }
    }
}
