import Synchronization

/// A task that sweeps every so often until it is told to stop, or let go.
final class Sweeps: Sendable {
    private let task = Mutex<Task<Void, Never>?>(nil)

    /// Starts it. Unstructured: it goes on for as long as its store is there.
    func start(every interval: Duration, _ sweep: @escaping @Sendable () async -> Void) {
        let sweeping = Task {
            while (try? await Task.sleep(for: max(interval, .seconds(1)))) != nil { await sweep() }
        }
        task.withLock { $0 = sweeping }
    }

    func stop() {
        task.withLock { $0?.cancel() }
    }

    deinit {
        stop()
    }
}
