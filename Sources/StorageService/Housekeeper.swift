import FoundationEssentials
import Logging
import ServiceLifecycle
import Storage

/// Looks after a store for as long as its instance serves, and tells what expired.
struct Housekeeper: Sendable {
    /// How long it waits after a failure.
    private static let pause: Duration = .seconds(5)

    let keep: StoreKeeper
    let context: InstanceContext
    let logger: Logger

    /// Runs until graceful shutdown.
    func run() async {
        try? await cancelWhenGracefulShutdown {
            while !Task.isCancelled { try await Task.sleep(for: await round()) }
        }
    }

    /// Returns how long to wait for the next one.
    private func round() async -> Duration {
        do throws(StorageError) {
            let upkeep = try await keep()
            for info in upkeep.expired { context.events.expired(info) }
            return .milliseconds(Int64(max(0, min(60, upkeep.next.timeIntervalSinceNow)) * 1000))
        } catch {
            if !Task.isCancelled { logger.warning("expired objects stay for now: \(error)") }
            return Self.pause
        }
    }
}
