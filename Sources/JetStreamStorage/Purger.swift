import DequeModule
import Logging
import NATS
import Storage
import Synchronization

/// Removes the chunks of replaced and deleted objects behind the back of whoever replaced them, and tries again until
/// it is done. What it can't do before the process ends, a cleaning does later.
actor Purger {
    private static let width = 8
    /// More than this many wait only where the server is away or slower than the writers, who then wait too.
    private static let capacity = 1024

    private let bucket: Bucket
    private let logger: Logger
    private var waiting: Deque<String> = []
    private var running = 0
    private var writers: [CheckedContinuation<Void, Never>] = []
    private var watchers: [CheckedContinuation<Void, Never>] = []
    private var isStopped = false

    init(_ bucket: Bucket, _ logger: Logger) {
        self.bucket = bucket
        self.logger = logger
    }

    /// Sees to it that the chunks of one put go.
    func discard(_ nuid: String) async {
        waiting.append(nuid)
        if running < Self.width {
            running += 1
            // Lives as long as there is something to remove.
            Task { await self.work() }
        }
        if waiting.count > Self.capacity { await withCheckedContinuation { writers.append($0) } }
    }

    /// Returns when everything was removed that was to be removed, or given up.
    func finish() async {
        guard running > 0 else { return }
        await withCheckedContinuation { watchers.append($0) }
    }

    /// Gives up what does not succeed at once.
    func stop() async {
        isStopped = true
        await finish()
    }

    private func work() async {
        while let nuid = waiting.popFirst() {
            await purge(nuid)
            if waiting.count <= Self.capacity { resume(&writers) }
        }
        running -= 1
        if running == 0 { resume(&watchers) }
    }

    private func purge(_ nuid: String) async {
        var delay = Duration.milliseconds(50)
        while true {
            do throws(StorageError) {
                return try await bucket.purgeChunks(of: nuid)
            } catch {
                let isOver = (error.cause as? NATSError)?.code == .connectionClosed
                guard error.errorClass == .transient, !isOver, !isStopped else {
                    return logger.warning("chunks of \(nuid) stay until the next cleaning: \(error)")
                }
                try? await Task.sleep(for: delay)
                delay = min(delay * 2, .seconds(5))
            }
        }
    }

    private func resume(_ continuations: inout [CheckedContinuation<Void, Never>]) {
        let resumed = continuations
        continuations = []
        resumed.forEach { $0.resume() }
    }
}
