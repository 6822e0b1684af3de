import Synchronization
import Waiting

/// One holder at a time for each key, in the order of asking.
package final class KeyLocks: Sendable {
    /// A key that is held until ``release()``, or until the last reference is gone.
    package final class Hold: Sendable {
        private let locks: KeyLocks
        private let key: ObjectKey
        private let isReleased = Atomic(false)

        fileprivate init(_ locks: KeyLocks, _ key: ObjectKey) {
            self.locks = locks
            self.key = key
        }

        package func release() {
            if !isReleased.exchange(true, ordering: .acquiringAndReleasing) { locks.unlock(key) }
        }

        deinit { release() }
    }

    /// Resumed with whether the key is the waiter's now.
    private typealias Continuation = CheckedContinuation<Bool, Never>

    private struct State {
        /// Who waits for each key that is held.
        var waiting: [ObjectKey: WaitQueue<Continuation>] = [:]

        mutating func take(_ key: ObjectKey) -> Bool {
            guard waiting[key] == nil else { return false }
            waiting[key] = WaitQueue()
            return true
        }
    }

    private let state = Mutex(State())

    package init() {}

    package func withLock<Value: Sendable>(
        _ key: ObjectKey, _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        await lock(key)
        defer { unlock(key) }
        return try await body()
    }

    /// Waits for `key` as long as it may; nil: others held it for longer, or the task was cancelled.
    package func hold(_ key: ObjectKey, within patience: Duration) async -> Hold? {
        if state.withLock({ $0.take(key) }) { return Hold(self, key) }
        let number = WaitNumber()
        let deadline = ContinuousClock.now + patience
        let timer = Task {
            guard (try? await Task.sleep(for: patience)) != nil else { return }
            giveUp(key, number)
        }
        defer { timer.cancel() }
        let isHeld = await untilResumed { continuation in
            state.withLock { state in
                // The timer may have run before.
                if Task.isCancelled || deadline <= .now { return false }
                if state.take(key) { return true }
                state.waiting[key]?.append(continuation, number)
                return nil
            }
        } onCancel: {
            giveUp(key, number)
        }
        return isHeld ? Hold(self, key) : nil
    }

    /// Whether somebody holds `key` right now.
    package func isHeld(_ key: ObjectKey) -> Bool { state.withLock { $0.waiting[key] != nil } }

    private func lock(_ key: ObjectKey) async {
        if state.withLock({ $0.take(key) }) { return }
        _ = await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.take(key) { return true }
                state.waiting[key]?.append(continuation, WaitNumber())
                return false
            }
            if isFree { continuation.resume(returning: true) }
        }
    }

    private func giveUp(_ key: ObjectKey, _ number: WaitNumber) {
        state.withLock { $0.waiting[key]?.remove(number) }?.resume(returning: false)
    }

    private func unlock(_ key: ObjectKey) {
        let next = state.withLock { state -> Continuation? in
            if let next = state.waiting[key]?.popFirst() { return next }
            state.waiting[key] = nil
            return nil
        }
        next?.resume(returning: true)
    }
}
