import Synchronization
import Waiting

/// A number of permits, given out in the order of asking.
package final class Permits: Sendable {
    /// One permit, given back by ``giveBack()`` or with its last reference.
    package final class Permit: Sendable {
        private let permits: Permits
        private let isOut = Atomic(true)

        fileprivate init(_ permits: Permits) {
            self.permits = permits
        }

        package func giveBack() {
            if isOut.exchange(false, ordering: .acquiringAndReleasing) { permits.takeBack() }
        }

        deinit {
            if isOut.load(ordering: .acquiring) { permits.takeBack() }
        }
    }

    private typealias Continuation = CheckedContinuation<Bool, Never>

    private struct State {
        var free: Int
        /// How many have asked and not been answered.
        var asking = 0
        var waiting = WaitQueue<Continuation>()
    }

    private let maxWaiting: Int
    private let state: Mutex<State>

    /// - Parameter maxWaiting: how many may wait for one.
    package init(_ count: Int, maxWaiting: Int = .max) {
        self.maxWaiting = maxWaiting
        state = Mutex(State(free: count))
    }

    /// How many are free, and how many wait for one.
    package var counts: (free: Int, waiting: Int) { state.withLock { ($0.free, $0.asking) } }

    /// The next permit.
    ///
    /// - Throws: `unavailable` where too many wait already, `cancelled`.
    package func take() async throws(StorageError) -> Permit {
        let mustWait = try state.withLock { (state) throws(StorageError) in
            if state.free > 0 {
                state.free -= 1
                return false
            }
            guard state.asking < maxWaiting else {
                throw StorageError(
                    .unavailable, "\(maxWaiting) operations wait for their turn already; try again later")
            }
            state.asking += 1
            return true
        }
        if mustWait {
            let isGranted = await turn()
            state.withLock { $0.asking -= 1 }
            guard isGranted else { throw .cancelled }
        }
        return Permit(self)
    }

    /// Waits; false where the task was cancelled first.
    private func turn() async -> Bool {
        let number = WaitNumber()
        return await untilResumed { continuation in
            state.withLock { state in
                if Task.isCancelled { return false }
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.waiting.append(continuation, number)
                return nil
            }
        } onCancel: {
            state.withLock { $0.waiting.remove(number) }?.resume(returning: false)
        }
    }

    private func takeBack() {
        let next = state.withLock { state -> Continuation? in
            if let next = state.waiting.popFirst() { return next }
            state.free += 1
            return nil
        }
        next?.resume(returning: true)
    }
}
