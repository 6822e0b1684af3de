import DequeModule
import Logging
import NATS
import Storage
import Synchronization
import Waiting

/// Removes the chunks of replaced and deleted objects in the background, and tries again until it is done. What it can't
/// do before the process ends, or what is too much, a cleaning does later.
final class Purger: Sendable {
    private static let width = 8
    /// More than this many wait only where the server is away or slower than the writers.
    private static let capacity = 1024
    /// So many wait at the most, those among them whose writers did not wait for long enough.
    private static let most = 8 * capacity

    private struct State {
        var waiting: Deque<String> = []
        var workers: [Int: Task<Void, Never>] = [:]
        var lastWorker = 0
        /// How many of them have to try again.
        var failing = 0
        /// Whoever replaced an object and waits for room.
        var writers: [WaitNumber: CheckedContinuation<Void, Never>] = [:]
        var watchers: [CheckedContinuation<Void, Never>] = []
        /// Whether it was told that some are left to the cleaning.
        var hasOverflowed = false
        var isStopped = false

        var isFull: Bool { waiting.count > Purger.capacity && !isStopped }

        mutating func takeWriters() -> [CheckedContinuation<Void, Never>] {
            defer { writers = [:] }
            return Array(writers.values)
        }

        mutating func takeWatchers() -> [CheckedContinuation<Void, Never>] {
            defer { watchers = [] }
            return watchers
        }
    }

    private let bucket: Bucket
    private let logger: Logger
    private let state = Mutex(State())

    init(_ bucket: Bucket, _ logger: Logger) {
        self.bucket = bucket
        self.logger = logger
    }

    /// Sees to it that the chunks of one put go; returns at once.
    func discard(_ nuid: String) { enqueue(nuid, upTo: Self.capacity) }

    /// The same for what a write replaced. Such writes go no faster than the server removes: this one waits for its turn,
    /// but no longer than a request may take, and not once it is cancelled.
    func discardReplaced(_ nuid: String) async {
        enqueue(nuid, upTo: Self.most)
        if state.withLock({ $0.isFull }) { await waitForRoom() }
    }

    private func enqueue(_ nuid: String, upTo limit: Int) {
        let overflowsFirst = state.withLock { state in
            guard state.waiting.count < limit else {
                defer { state.hasOverflowed = true }
                return !state.hasOverflowed
            }
            state.waiting.append(nuid)
            if state.workers.count < Self.width { startWorker(&state) }
            return false
        }
        guard overflowsFirst else { return }
        logger.warning("bucket “\(bucket.name)”: too many chunks wait to be removed: others stay for a cleaning")
    }

    /// Returns when everything was removed that was to be removed, or given up.
    func finish() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if !state.workers.isEmpty { state.watchers.append(continuation) }
                return state.workers.isEmpty
            }
            if isIdle { continuation.resume() }
        }
    }

    /// Gives up what does not succeed at once.
    func stop() async {
        let (workers, writers) = state.withLock { state in
            state.isStopped = true
            // Where some fail, the others would too.
            return (state.failing > 0 ? Array(state.workers.values) : [], state.takeWriters())
        }
        workers.forEach { $0.cancel() }
        writers.forEach { $0.resume() }
        await finish()
    }

    private func startWorker(_ state: inout State) {
        state.lastWorker += 1
        let number = state.lastWorker
        // Lives as long as there is something to remove.
        state.workers[number] = Task { await self.work(number) }
    }

    private func work(_ number: Int) async {
        while let nuid = next(number) { await purge(nuid) }
    }

    /// Nil where nothing waits: then the worker is none any more.
    private func next(_ worker: Int) -> String? {
        let (nuid, writers, watchers) = state.withLock { state in
            let nuid = state.waiting.popFirst()
            let writers = state.isFull ? [] : state.takeWriters()
            if nuid == nil {
                state.workers[worker] = nil
                state.hasOverflowed = false
            }
            return (nuid, writers, state.workers.isEmpty ? state.takeWatchers() : [])
        }
        (writers + watchers).forEach { $0.resume() }
        return nuid
    }

    private func purge(_ nuid: String) async {
        var delay = Duration.milliseconds(50)
        var hasFailed = false
        defer { if hasFailed { state.withLock { $0.failing -= 1 } } }
        while true {
            do throws(StorageError) {
                return try await bucket.purgeChunks(of: nuid)
            } catch {
                let isOver = (error.cause as? NATSError)?.code == .connectionClosed
                let isStopped = state.withLock { $0.isStopped }
                guard error.errorClass == .transient, !isOver, !isStopped else {
                    return giveUp(nuid, error, all: isOver || isStopped)
                }
                if !hasFailed { state.withLock { $0.failing += 1 } }
                hasFailed = true
                try? await Task.sleep(for: delay)
                delay = min(delay * 2, .seconds(5))
            }
        }
    }

    private func giveUp(_ nuid: String, _ error: StorageError, all: Bool) {
        let others = state.withLock { state in
            defer { if all { state.waiting = [] } }
            return all ? state.waiting.count : 0
        }
        let which = others > 0 ? "\(nuid) and of \(others) other puts" : nuid
        logger.warning("chunks of \(which) stay until the next cleaning: \(error)")
    }

    private func waitForRoom() async {
        let number = WaitNumber()
        let timer = Timeouts.shared.schedule(after: bucket.timeout) { self.goOn(number) }
        defer { Timeouts.shared.cancel(timer) }
        await untilResumed { continuation in
            state.withLock { state -> Void? in
                guard state.isFull, !Task.isCancelled else { return () }
                state.writers[number] = continuation
                return nil
            }
        } onCancel: {
            goOn(number)
        }
    }

    private func goOn(_ writer: WaitNumber) {
        state.withLock { $0.writers.removeValue(forKey: writer) }?.resume()
    }
}
