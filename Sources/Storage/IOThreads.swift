import DequeModule
import Dispatch
import Glibc
import Synchronization
import Waiting

/// A few threads for calls that block, so that none of them ever runs on Swift's own.
///
/// At most `capacity` jobs wait for a thread; one more is refused. Whoever waits is a suspended task. The threads start
/// as they are needed, and end, after what still waits, when this is let go.
package final class IOThreads: Sendable {
    private let jobs: Jobs

    /// - Throws: `unavailable` where not even one thread can be started.
    package init(count: Int, capacity: Int = 16_384) throws(StorageError) {
        jobs = Jobs(threads: count, capacity: capacity)
        guard jobs.startFirst() else { throw StorageError(.unavailable, "no thread can be started; try again") }
    }

    deinit {
        jobs.end()
    }

    /// Runs `job` on one of the threads, to its end, even if the task is cancelled meanwhile.
    ///
    /// - Throws: what it throws; `unavailable` where too many wait.
    package func run<Value: Sendable>(
        _ job: @escaping @Sendable () throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        let result = await withUnsafeContinuation {
            (continuation: UnsafeContinuation<Result<Value, StorageError>, Never>) in
            let isTaken = jobs.add {
                let result: Result<Value, StorageError>
                do throws(StorageError) { result = .success(try job()) } catch { result = .failure(error) }
                continuation.resume(returning: result)
            }
            if !isTaken {
                let error = StorageError(.unavailable, "too many operations wait for the disk; try again")
                continuation.resume(returning: .failure(error))
            }
        }
        return try result.get()
    }

    /// Starts `job` on one of the threads, however many wait: for jobs that their caller counts.
    package func start(_ job: @escaping @Sendable () -> Void) {
        jobs.add(job, isCounted: false)
    }
}

/// What waits for a thread, and the threads' own work.
private final class Jobs: Sendable {
    typealias Job = @Sendable () -> Void

    private struct State {
        var waiting = Deque<Job>()
        var idle = 0
        var threads = 0
    }

    private let state = Mutex(State())
    /// Signalled once for each job added, and once for each thread that is to end.
    private let signals = DispatchSemaphore(value: 0)
    private let threads: Int
    private let capacity: Int

    init(threads: Int, capacity: Int) {
        self.threads = threads
        self.capacity = capacity
    }

    /// Whether there was room for it.
    @discardableResult
    func add(_ job: @escaping Job, isCounted: Bool = true) -> Bool {
        let (isTaken, needsThread) = state.withLock { state -> (Bool, Bool) in
            guard !isCounted || state.waiting.count < capacity else { return (false, false) }
            state.waiting.append(job)
            let needsThread = state.waiting.count > state.idle && state.threads < threads
            if needsThread { state.threads += 1 }
            return (true, needsThread)
        }
        if needsThread { startThread() }
        if isTaken { signals.signal() }
        return isTaken
    }

    func end() {
        for _ in 0..<state.withLock({ $0.threads }) { signals.signal() }
    }

    func startFirst() -> Bool {
        state.withLock { $0.threads += 1 }
        return startThread()
    }

    /// Starts one that is counted already; where that fails those that there are have to do.
    @discardableResult
    private func startThread() -> Bool {
        let isStarted = Waiting.startThread { self.work() }
        if !isStarted { state.withLock { $0.threads -= 1 } }
        return isStarted
    }

    private func work() {
        while true {
            state.withLock { $0.idle += 1 }
            signals.wait()
            let job = state.withLock { state in
                state.idle -= 1
                return state.waiting.popFirst()
            }
            guard let job else { return }
            job()
        }
    }
}
