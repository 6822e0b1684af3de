import DequeModule
import FoundationEssentials
import Logging
import ServiceLifecycle
import Storage

/// Looks after a store for as long as its instance serves, and reports what expired.
struct Maintenance: Sendable {
    /// How long it waits after a failure.
    private static let pause: Duration = .seconds(5)

    let maintain: StoreMaintainer
    let context: InstanceContext
    let logger: Logger

    /// Runs until graceful shutdown.
    func run() async {
        try? await cancelWhenGracefulShutdown {
            var unreported: Deque<ObjectInfo> = []
            while !Task.isCancelled { try await Task.sleep(for: await round(&unreported)) }
        }
    }

    /// Returns how long to wait for the next one.
    ///
    /// - Parameter unreported: what expired in an earlier round and is not reported yet.
    private func round(_ unreported: inout Deque<ObjectInfo>) async -> Duration {
        do throws(StorageError) {
            try await report(&unreported)
            let upkeep = try await maintain()
            unreported = Deque(upkeep.expired)
            try await report(&unreported)
            return .milliseconds(Int64(max(0, min(60, upkeep.next.timeIntervalSinceNow)) * 1000))
        } catch {
            if !Task.isCancelled { logger.warning("expired objects stay for now: \(error)") }
            return Self.pause
        }
    }

    /// An object that somebody has put in its place meanwhile has been reported before, and stands for it.
    private func report(_ expired: inout Deque<ObjectInfo>) async throws(StorageError) {
        while let info = expired.first {
            try await context.locks.withLock(info.key) { () async throws(StorageError) in
                if try await !isReplaced(info) { context.events.expired(info) }
            }
            expired.removeFirst()
        }
    }

    private func isReplaced(_ info: ObjectInfo) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            return try await context.store.info(info.key).version != info.version
        } catch  where error.errorClass != .transient {
            // Nothing is there, or nothing that can be told from what was.
            return false
        }
    }
}
