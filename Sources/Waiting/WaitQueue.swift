import DequeModule
import Synchronization

/// What somebody who waits is known by, in all queues.
package struct WaitNumber: Sendable, Hashable {
    private static let last = Atomic(0)

    private let number = WaitNumber.last.add(1, ordering: .relaxed).newValue

    package init() {}
}

/// Who waits, in the order of coming; whoever has enough may leave from anywhere. To be kept under a lock.
package struct WaitQueue<Waiter> {
    private var waiters: [WaitNumber: Waiter] = [:]
    /// In the order of coming, some of which may have left.
    private var order: Deque<WaitNumber> = []

    package init() {}

    package var isEmpty: Bool { waiters.isEmpty }
    package var count: Int { waiters.count }

    /// At the end.
    package mutating func append(_ waiter: Waiter, _ number: WaitNumber) {
        if order.count > 2 * waiters.count + 64 { order.removeAll { waiters[$0] == nil } }
        order.append(number)
        waiters[number] = waiter
    }

    /// Who is to be next.
    package var first: Waiter? {
        mutating get {
            while let number = order.first {
                if let waiter = waiters[number] { return waiter }
                order.removeFirst()
            }
            return nil
        }
    }

    package mutating func popFirst() -> Waiter? {
        while let number = order.popFirst() {
            if let waiter = waiters.removeValue(forKey: number) { return waiter }
        }
        return nil
    }

    /// Takes out who leaves; nil where it does not wait, or not any more.
    package mutating func remove(_ number: WaitNumber) -> Waiter? {
        waiters.removeValue(forKey: number)
    }
}

/// Waits until the continuation that `wait` is given is resumed, or not at all where `wait` has an answer at once.
///
/// - Parameter leave: called when the task is cancelled, perhaps before `wait` is, which has to look at that itself: else
///   nobody would end the wait.
package func untilResumed<Answer: Sendable>(
    _ wait: (CheckedContinuation<Answer, Never>) -> Answer?, onCancel leave: @Sendable () -> Void
) async -> Answer {
    await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            if let answer = wait(continuation) { continuation.resume(returning: answer) }
        }
    } onCancel: {
        leave()
    }
}
