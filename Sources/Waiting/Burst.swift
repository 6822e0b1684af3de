import DequeModule

/// What is sent together with what else is sent during a burst.
package protocol Sender: AnyObject {
    /// Sends what was written.
    func endWriting()
}

/// A burst of work on one thread: what is written meanwhile is sent at once at its end, and jobs that are woken meanwhile
/// may be run at its end rather than elsewhere. Confined to its thread.
package final class Burst {
    /// What is written waits no longer for the rest of a burst, save for one job's end.
    static let limit: Duration = .microseconds(100)
    /// Jobs that are left after so long are run by other threads.
    private static let patience: Duration = .milliseconds(1)

    private static let threads = PerThread<Burst>()

    private var isUnderWay = false
    private var senders: [any Sender] = []
    /// Whether jobs that are woken now are run on this thread, at the end.
    private var takesJobs = false
    private var jobs: Deque<UnownedJob> = []

    /// The one under way on this thread.
    package static var current: Burst? { threads.existing.flatMap { $0.isUnderWay ? $0 : nil } }

    /// Runs `body` and then the jobs that it woke, where they are to run here; nothing more where a burst is under way.
    package static func run<Value, Failure>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        let burst = threads.value { Burst() }
        guard !burst.isUnderWay else { return try body() }
        burst.isUnderWay = true
        burst.takesJobs = false
        defer { burst.end() }
        return try body()
    }

    /// Runs what wakes jobs.
    ///
    /// - Parameter here: whether they are to run on this thread, at the end of a burst that is under way.
    package static func wake(here: Bool, _ resume: () -> Void) {
        current?.takesJobs = here
        resume()
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

    /// Sends what was written.
    private func send() {
        isUnderWay = false
        while let sender = senders.popLast() { sender.endWriting() }
        isUnderWay = true
    }

    /// False: it has to run elsewhere.
    func take(_ job: UnownedJob) -> Bool {
        if takesJobs { jobs.append(job) }
        return takesJobs
    }

    /// Ends the writing later, with the burst. False: it does so already.
    package func hold(_ sender: any Sender) -> Bool {
        guard !senders.contains(where: { $0 === sender }) else { return false }
        senders.append(sender)
        return true
    }
}
