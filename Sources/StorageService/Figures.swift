import Metrics

/// Counts what became of an input's messages.
struct InputFigures: Sendable {
    let stored: Counter
    let retried: Counter
    let terminated: Counter

    init(_ input: InputConfiguration, instance: String, _ metrics: any MetricsFactory) {
        let name =
            switch input.source {
            case .core(let subject): subject
            case .stream(let stream, _, _): stream
            }
        func counter(_ result: String) -> Counter {
            Counter(
                label: "nats_storage_input_messages_total",
                dimensions: [("instance", instance), ("input", name), ("result", result)], factory: metrics)
        }
        stored = counter("stored")
        retried = counter("retried")
        terminated = counter("terminated")
    }
}

/// Counts what an output published, and what it could not.
struct OutputFigures: Sendable {
    /// For want of room.
    let crowdedOut: Counter
    /// NATS did not take it.
    let failed: Counter
    private let references: Counter
    private let events: [OutputConfiguration.EventType: Counter]

    init(instance: String, _ metrics: any MetricsFactory) {
        let instance = [("instance", instance)]
        func dropped(_ reason: String) -> Counter {
            Counter(
                label: "nats_storage_events_dropped_total", dimensions: instance + [("reason", reason)],
                factory: metrics)
        }
        crowdedOut = dropped("backlog")
        failed = dropped("failed")
        references = Counter(
            label: "nats_storage_references_published_total", dimensions: instance, factory: metrics)
        events = Dictionary(
            uniqueKeysWithValues: OutputConfiguration.EventType.allCases.map { type in
                let dimensions = instance + [("type", type.rawValue)]
                return (
                    type,
                    Counter(label: "nats_storage_events_published_total", dimensions: dimensions, factory: metrics)
                )
            })
    }

    func published(_ notice: Notice) {
        switch notice.content {
        case .event(let event): events[event.type]?.increment()
        case .reference: references.increment()
        }
    }
}
