import Synchronization

/// What the services protocol tells of one port.
final class PortStatistics: Sendable {
    struct Counters: Sendable {
        var requests = 0
        var errors = 0
        var processingTime: Duration = .zero
        var lastError: String?
    }

    private let counters = Mutex(Counters())

    var current: Counters { counters.withLock { $0 } }

    func count(_ duration: Duration, error: String?) {
        counters.withLock { counters in
            counters.requests += 1
            counters.processingTime += duration
            guard let error else { return }
            counters.errors += 1
            counters.lastError = error
        }
    }
}
