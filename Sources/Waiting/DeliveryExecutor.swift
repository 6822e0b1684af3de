import DequeModule
import Dispatch
import Glibc
import Synchronization

/// Runs tasks that mostly wait for answers of servers: requests, and stores that make them, take less time on it.
///
/// ```swift
/// try await withTaskExecutorPreference(DeliveryExecutor.shared) {
///     for key in keys { print(try await store.info(key).size) }
/// }
/// ```
///
/// What a small answer wakes runs on the thread that brought it, for a millisecond at most: to wake another thread takes
/// longer than most of such work. Everything else runs on as many threads as there are cores, several jobs in a burst,
/// and what they send goes out at once. A job that computes for long holds up the answers behind it for as long: not for
/// such, and like any task's, no job may block.
public final class DeliveryExecutor: TaskExecutor {
    /// The process' only one.
    public static let shared = DeliveryExecutor()

    private struct State {
        var jobs: Deque<UnownedJob> = []
        var workers = 0
    }

    private let width = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    private let state = Mutex(State())

    private init() {}

    /// Takes a job from Swift's runtime.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if Burst.current?.take(job) != true { hand(job) }
    }

    /// Has the job run by a worker.
    func hand(_ job: UnownedJob) {
        let needsWorker = state.withLock { state in
            state.jobs.append(job)
            guard state.workers < width else { return false }
            state.workers += 1
            return true
        }
        if needsWorker { work() }
    }

    /// Runs jobs for a burst, and again after whatever else waits for a thread, until there are none.
    private func work() {
        DispatchQueue.global().async {
            Burst.run { self.runJobs() }
            let goesOn = self.state.withLock { state in
                if state.jobs.isEmpty { state.workers -= 1 }
                return !state.jobs.isEmpty
            }
            if goesOn { self.work() }
        }
    }

    private func runJobs() {
        let end = ContinuousClock.now + Burst.limit
        repeat {
            guard let job = state.withLock({ $0.jobs.popFirst() }) else { return }
            job.runSynchronously(on: asUnownedTaskExecutor())
        } while .now < end
    }
}
