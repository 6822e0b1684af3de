import Metrics

/// What went out through an output, and what was lost.
struct OutputCounters: Sendable {
    /// Why a notice was lost.
    enum Reason: String, CaseIterable {
        /// Too many waited.
        case backlog
        /// NATS did not take it.
        case failed
    }

    private let events: [EventType: Counter]
    private let references: Counter
    private let lost: [Reason: Counter]

    init(instance: String, _ metrics: any MetricsFactory) {
        func counter(_ name: String, _ label: (String, String)? = nil) -> Counter {
            Counter(
                label: "nats_storage_\(name)_total", dimensions: [("instance", instance)] + (label.map { [$0] } ?? []),
                factory: metrics)
        }
        events = Dictionary(
            uniqueKeysWithValues: EventType.allCases.map { ($0, counter("events_published", ("type", $0.rawValue))) })
        references = counter("references_published")
        lost = Dictionary(
            uniqueKeysWithValues: Reason.allCases.map { ($0, counter("events_dropped", ("reason", $0.rawValue))) })
    }

    func published(_ notice: Notice) {
        switch notice.content {
        case .event(let event): events[event.type]?.increment()
        case .reference: references.increment()
        }
    }

    func dropped(_ reason: Reason) { lost[reason]?.increment() }
}
