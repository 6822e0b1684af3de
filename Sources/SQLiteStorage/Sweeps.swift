import Synchronization

/// A task that sweeps every so often until it is told to stop, or let go.
final class Sweeps: Sendable {
    private let task = Mutex<Task<Void, Never>?>(nil)
    private let isWithoutExpired = Atomic(false)

    /// Whether objects that expired are left to who tells of them.
    var leavesExpired: Bool { isWithoutExpired.load(ordering: .relaxed) }

    /// From now on they are.
    func leaveExpired() {
        isWithoutExpired.store(true, ordering: .relaxed)
    }

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
