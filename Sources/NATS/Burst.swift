import DequeModule

/// A burst of work on one thread: what is published meanwhile goes out in one write at its end, and jobs that are woken
/// meanwhile may be run at its end rather than elsewhere. Confined to its thread.
final class Burst {
    /// What is published waits no longer for the rest of a burst, save for one job's end.
    static let limit: Duration = .microseconds(100)
    /// Jobs that are left after so long are run by other threads.
    private static let patience: Duration = .milliseconds(1)

    private static let threads = PerThread<Burst>()

    private var isUnderWay = false
    private var loops: [SocketLoop] = []
    /// Whether jobs that are woken now are run on this thread, at the end.
    var takesJobs = false
    private var jobs: Deque<UnownedJob> = []

    /// The one under way on this thread.
    static var current: Burst? { threads.existing.flatMap { $0.isUnderWay ? $0 : nil } }

    /// Runs `body` and then the jobs that it woke, where they are to run here; nothing more where a burst is under way.
    static func run<Value, Failure>(_ body: (Burst) throws(Failure) -> Value) throws(Failure) -> Value {
        let burst = threads.value { Burst() }
        guard !burst.isUnderWay else { return try body(burst) }
        burst.isUnderWay = true
        burst.takesJobs = false
        defer { burst.end() }
        return try body(burst)
    }

    private func end() {
        if !jobs.isEmpty { runJobs() }
        takesJobs = false
        while let job = jobs.popFirst() { DeliveryExecutor.shared.hand(job) }
        send()
        isUnderWay = false
    }

    private func runJobs() {
        let end = ContinuousClock.now + Self.patience
        takesJobs = true
        var pause = ContinuousClock.now + Self.limit
        while let job = jobs.popFirst() {
            job.runSynchronously(on: DeliveryExecutor.shared.asUnownedTaskExecutor())
            let now = ContinuousClock.now
            if now > end { return }
            if now > pause {
                send()
                pause = now + Self.limit
            }
        }
    }

    /// Sends what was published.
    private func send() {
        isUnderWay = false
        while let loop = loops.popLast() { loop.endWriting() }
        isUnderWay = true
    }

    /// False: it has to run elsewhere.
    func take(_ job: UnownedJob) -> Bool {
        if takesJobs { jobs.append(job) }
        return takesJobs
    }

    /// Ends the writing later, with the burst. False: it does so already.
    func hold(_ loop: SocketLoop) -> Bool {
        guard !loops.contains(where: { $0 === loop }) else { return false }
        loops.append(loop)
        return true
    }
}
