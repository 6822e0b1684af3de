import Metrics

/// What became of the messages of an input.
struct InputCounters: Sendable {
    enum Result: String, CaseIterable {
        case stored
        /// It comes again.
        case retried
        /// It can never be stored.
        case terminated
        /// There was no room for it.
        case lost
    }

    private let counters: [Result: Counter]

    init(_ input: InputConfiguration, instance: String, _ metrics: any MetricsFactory) {
        let name =
            switch input.source {
            case .core(let subject): subject
            case .stream(let stream, _, _): stream
            }
        counters = Dictionary(
            uniqueKeysWithValues: Result.allCases.map { result in
                let labels = [("instance", instance), ("input", name), ("result", result.rawValue)]
                return (
                    result, Counter(label: "nats_storage_input_messages_total", dimensions: labels, factory: metrics)
                )
            })
    }

    func count(_ result: Result) { counters[result]?.increment() }
}
