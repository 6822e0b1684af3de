import DequeModule
import Synchronization

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
        var lastNumber = 0
        /// Who waits, by number.
        var waiting: [Int: Continuation] = [:]
        /// Their numbers in the order of their coming, and those of some that were cancelled.
        var order: Deque<Int> = []

        mutating func enqueue(_ number: Int, _ continuation: Continuation) {
            if order.count > 2 * waiting.count + 64 { order.removeAll { waiting[$0] == nil } }
            order.append(number)
            waiting[number] = continuation
        }

        mutating func dequeue() -> Continuation? {
            while let number = order.popFirst() {
                if let continuation = waiting.removeValue(forKey: number) { return continuation }
            }
            return nil
        }
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
        let number: Int? = try state.withLock { (state) throws(StorageError) in
            if state.free > 0 {
                state.free -= 1
                return nil
            }
            guard state.asking < maxWaiting else {
                throw StorageError(
                    .unavailable, "\(maxWaiting) operations wait for their turn already; try again later")
            }
            state.asking += 1
            state.lastNumber += 1
            return state.lastNumber
        }
        if let number {
            let isGranted = await turn(number)
            state.withLock { $0.asking -= 1 }
            guard isGranted else { throw .cancelled }
        }
        return Permit(self)
    }

    /// Waits; false where the task was cancelled first.
    private func turn(_ number: Int) async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    // The handler may have run before: then nobody would end the wait.
                    if Task.isCancelled { return false }
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    state.enqueue(number, continuation)
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(returning: false)
        }
    }

    private func takeBack() {
        let next = state.withLock { state -> Continuation? in
            if let next = state.dequeue() { return next }
            state.free += 1
            return nil
        }
        next?.resume(returning: true)
    }
}
