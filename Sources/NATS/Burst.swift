import DequeModule

/// A burst of work on one thread: what is published meanwhile goes out in one write at its end, and jobs that are woken
/// meanwhile may be run at its end rather than elsewhere. Confined to its thread.
final class Burst {
    /// What is published waits no longer for the rest of a burst, save for one job's end.
    static let limit: Duration = .microseconds(100)

    private static let threads = PerThread<Burst>()

    private var isUnderWay = false
    private var loops: [SocketLoop] = []
    /// Whether jobs that are woken now are run on this thread.
    private var takesJobs = false
    private var jobs: Deque<UnownedJob> = []

    /// The one under way on this thread.
    static var current: Burst? { threads.existing.flatMap { $0.isUnderWay ? $0 : nil } }

    /// Runs `body` and then the jobs that it woke, where they are to run here; nothing more where a burst is under way.
    static func run<Value, Failure>(
        takingJobs: Bool = false, _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let burst = threads.value { Burst() }
        guard !burst.isUnderWay else { return try body() }
        burst.isUnderWay = true
        burst.takesJobs = takingJobs
        defer { burst.end() }
        return try body()
    }

    private func end() {
        if !jobs.isEmpty { runJobs() }
        isUnderWay = false
        while let loop = loops.popLast() { loop.endWriting() }
    }

    private func runJobs() {
        let end = ContinuousClock.now + Self.limit
        while takesJobs, let job = jobs.popFirst() {
            job.runSynchronously(on: DeliveryExecutor.shared.asUnownedTaskExecutor())
            takesJobs = .now < end
        }
        takesJobs = false
        while let job = jobs.popFirst() { DeliveryExecutor.shared.hand(job) }
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
