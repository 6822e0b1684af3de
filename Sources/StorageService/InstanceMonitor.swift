import StorageWire
import Synchronization

/// What can be seen of an instance while it serves, and changed.
public final class InstanceMonitor: Sendable {
    /// Where an instance is in its life.
    public enum Phase: String, Sendable, Hashable {
        case starting, serving, draining, stopped
    }

    /// What a port did since the start.
    public struct PortFigures: Sendable, Hashable {
        /// The port's name.
        public let port: String
        /// Requests answered.
        public let requests: Int
        /// Those of them that failed.
        public let errors: Int
        /// How long they took, all together.
        public let duration: Duration
        /// Bytes of the payloads of requests.
        public let bytesIn: Int
        /// Bytes of the payloads of replies.
        public let bytesOut: Int
    }

    private struct State {
        var phase = Phase.starting
        var limits: InstanceConfiguration.Limits
        var openUploads = 0
    }

    /// The instance's name.
    public let instance: String
    /// Where its events can be looked at.
    public let feed: EventFeed
    let statistics: [Port: PortStatistics]
    private let state: Mutex<State>
    private let inFlight = Atomic(0)

    /// The monitor of one instance.
    public init(_ configuration: InstanceConfiguration, feed: EventFeed = EventFeed()) {
        instance = configuration.name
        self.feed = feed
        state = Mutex(State(limits: configuration.limits))
        statistics = Dictionary(
            uniqueKeysWithValues: Port.requests.map { ($0, PortStatistics(configuration.name, $0)) })
    }

    /// The bounds of what the instance takes on; a change counts for what comes after it.
    public var limits: InstanceConfiguration.Limits {
        get { state.withLock { $0.limits } }
        set { state.withLock { $0.limits = newValue } }
    }

    /// Where the instance is in its life.
    public internal(set) var phase: Phase {
        get { state.withLock { $0.phase } }
        set { state.withLock { $0.phase = newValue } }
    }

    /// Uploads that are open.
    public internal(set) var openUploads: Int {
        get { state.withLock { $0.openUploads } }
        set { state.withLock { $0.openUploads = newValue } }
    }

    /// Requests worked on.
    public var requestsInFlight: Int { inFlight.load(ordering: .relaxed) }

    func began() { inFlight.add(1, ordering: .relaxed) }
    func ended() { inFlight.subtract(1, ordering: .relaxed) }

    /// What each port did.
    public var ports: [PortFigures] {
        Port.requests.compactMap { port in
            guard let counters = statistics[port]?.current else { return nil }
            return PortFigures(
                port: port.rawValue, requests: counters.requests, errors: counters.errors,
                duration: counters.processingTime, bytesIn: counters.bytesIn, bytesOut: counters.bytesOut)
        }
    }
}
