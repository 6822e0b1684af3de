import Metrics
import Storage
import StorageWire
import Synchronization

/// A request that was answered.
struct Answered: Sendable {
    let operation: String
    let duration: Duration
    var bytesIn = 0
    var bytesOut = 0
    /// Where it failed.
    var code: StorageError.Kind?
    /// The sentence about it.
    var error: String?
}

/// What one port did: for the services protocol, and as metrics.
final class PortStatistics: Sendable {
    struct Counters: Sendable {
        var requests = 0
        var errors = 0
        var processingTime: Duration = .zero
        var bytesIn = 0
        var bytesOut = 0
        var lastError: String?
    }

    private struct Outcome: Hashable {
        let operation: String
        let code: StorageError.Kind?
    }

    private struct State {
        var counters = Counters()
        // Made when they are first needed. There are few operations, and few codes.
        var outcomes: [Outcome: Counter] = [:]
        var durations: [String: Timer] = [:]
    }

    private let instance: String
    private let port: Port
    private let bytesIn: Counter
    private let bytesOut: Counter
    private let state = Mutex(State())

    init(_ instance: String, _ port: Port) {
        self.instance = instance
        self.port = port
        let dimensions = [("instance", instance), ("port", port.rawValue)]
        bytesIn = Counter(label: "nats_storage_request_bytes_total", dimensions: dimensions)
        bytesOut = Counter(label: "nats_storage_response_bytes_total", dimensions: dimensions)
    }

    var current: Counters { state.withLock { $0.counters } }

    func count(_ answered: Answered) {
        let (total, duration) = state.withLock { state -> (Counter, Timer) in
            state.counters.add(answered)
            return (
                counter(Outcome(operation: answered.operation, code: answered.code), &state),
                timer(answered.operation, &state)
            )
        }
        total.increment()
        duration.record(duration: answered.duration)
        bytesIn.increment(by: answered.bytesIn)
        bytesOut.increment(by: answered.bytesOut)
    }

    private func counter(_ outcome: Outcome, _ state: inout State) -> Counter {
        if let counter = state.outcomes[outcome] { return counter }
        let code = outcome.code.map(ErrorCodec.code) ?? "ok"
        let counter = Counter(
            label: "nats_storage_requests_total", dimensions: dimensions(outcome.operation) + [("code", code)])
        state.outcomes[outcome] = counter
        return counter
    }

    private func timer(_ operation: String, _ state: inout State) -> Timer {
        if let timer = state.durations[operation] { return timer }
        let timer = Timer(
            label: "nats_storage_request_duration_seconds", dimensions: dimensions(operation),
            preferredDisplayUnit: .seconds)
        state.durations[operation] = timer
        return timer
    }

    private func dimensions(_ operation: String) -> [(String, String)] {
        [("instance", instance), ("port", port.rawValue), ("operation", operation)]
    }
}

extension PortStatistics.Counters {
    fileprivate mutating func add(_ answered: Answered) {
        requests += 1
        processingTime += answered.duration
        bytesIn += answered.bytesIn
        bytesOut += answered.bytesOut
        guard answered.code != nil else { return }
        errors += 1
        lastError = answered.error
    }
}
