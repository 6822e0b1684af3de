import Logging
import NATS
import Storage

/// Tries again what fails because something is not there yet: whoever starts NATS, a store and the component together need
/// not see to their order.
struct Patience {
    private static let interval: Duration = .seconds(1)

    private let end: ContinuousClock.Instant
    private let logger: Logger

    /// For so long from now on.
    init(for limit: Duration, logger: Logger) {
        end = .now + limit
        self.logger = logger
    }

    /// What `work` comes to in the end.
    ///
    /// - Throws: at once what won't pass, and the last of what may once the time is over.
    func run<Value>(_ work: () async throws -> Value) async throws -> Value {
        while true {
            do {
                return try await work()
            } catch  where Self.mayPass(error) && .now + Self.interval < end {
                logger.warning("\(error); tried again every second, as start_timeout says")
                try await Task.sleep(for: Self.interval)
            }
        }
    }

    private static func mayPass(_ error: any Error) -> Bool {
        (error as? NATSError)?.isTransient ?? ((error as? StorageError)?.errorClass == .transient)
    }
}
