import Synchronization

/// A task that lives no longer than its owner.
final class FeedTask: Sendable {
    private let task = Mutex<Task<Void, Never>?>(nil)

    deinit {
        task.withLock { $0?.cancel() }
    }

    /// Begins once the one before has ended.
    func start(_ work: @escaping @Sendable () async -> Void) {
        task.withLock { task in
            task = Task { [previous = task] in
                previous?.cancel()
                await previous?.value
                await work()
            }
        }
    }

    /// Cancels it and waits for its end.
    func cancel() async {
        let task = task.withLock { $0 }
        task?.cancel()
        await task?.value
    }
}
