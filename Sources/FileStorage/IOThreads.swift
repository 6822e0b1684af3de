import DequeModule
import Dispatch
import Storage
import Synchronization

/// A few threads for calls that block, so that none of them ever runs on Swift's own.
///
/// At most `capacity` jobs wait for a thread; one more is refused. Whoever waits is a suspended task.
final class IOThreads: Sendable {
    private typealias Job = @Sendable () -> Void

    private struct State {
        /// Each a serial queue, which is one thread while it has work.
        var idle: [DispatchQueue]
        var waiting = Deque<Job>()
    }

    private let state: Mutex<State>
    private let capacity: Int

    init(count: Int, capacity: Int = 16_384) {
        let queues = (0..<count).map { DispatchQueue(label: "nats-storage.files.\($0)") }
        state = Mutex(State(idle: queues))
        self.capacity = capacity
    }

    /// Runs `job` on one of the threads, to its end, even if the task is cancelled meanwhile.
    ///
    /// - Throws: what it throws; `unavailable` where too many wait.
    func run<Value: Sendable>(
        _ job: @escaping @Sendable () throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        let result = await withCheckedContinuation { continuation in
            let isTaken = submit {
                let result: Result<Value, StorageError>
                do throws(StorageError) { result = .success(try job()) } catch { result = .failure(error) }
                continuation.resume(returning: result)
            }
            if !isTaken {
                let error = StorageError(.unavailable, "more than \(capacity) operations wait for the disk; try again")
                continuation.resume(returning: .failure(error))
            }
        }
        return try result.get()
    }

    private func submit(_ job: @escaping Job) -> Bool {
        let (isTaken, queue) = state.withLock { state -> (Bool, DispatchQueue?) in
            if let queue = state.idle.popLast() { return (true, queue) }
            guard state.waiting.count < capacity else { return (false, nil) }
            state.waiting.append(job)
            return (true, nil)
        }
        queue?.async { self.work(from: job, on: queue) }
        return isTaken
    }

    private func work(from first: @escaping Job, on queue: DispatchQueue?) {
        var next: Job? = first
        while let job = next {
            job()
            next = state.withLock { state in
                if let waiting = state.waiting.popFirst() { return waiting }
                if let queue { state.idle.append(queue) }
                return nil
            }
        }
    }
}
