import Metrics
import Synchronization

/// Where a handler's value is told.
struct SeriesID: Hashable, Sendable {
    let name: String
    let labels: LabelSet
}

/// One series of a registry.
protocol Instrument: AnyObject, Sendable {
    var kind: MetricDescription.Kind { get }
    var value: Exposition.Value { get }
}

/// A number that only grows, counted in whole steps or in parts.
final class PrometheusCounter: Instrument, CounterHandler, FloatingPointCounterHandler {
    private let whole = Atomic<Int64>(0)
    private let parts = Mutex<Double>(0)

    let kind = MetricDescription.Kind.counter

    var value: Exposition.Value { .number(Double(whole.load(ordering: .relaxed)) + parts.withLock { $0 }) }

    func increment(by amount: Int64) {
        if amount > 0 { whole.wrappingAdd(amount, ordering: .relaxed) }
    }

    func increment(by amount: Double) {
        if amount > 0, amount.isFinite { parts.withLock { $0 += amount } }
    }

    func reset() {
        whole.store(0, ordering: .relaxed)
        parts.withLock { $0 = 0 }
    }
}

/// A number that goes up and down.
final class PrometheusGauge: Instrument, MeterHandler, RecorderHandler {
    private let number = Mutex<Double>(0)

    let kind = MetricDescription.Kind.gauge

    var value: Exposition.Value { .number(number.withLock { $0 }) }

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { number.withLock { $0 = value } }
    func increment(by amount: Double) { number.withLock { $0 += amount } }
    func decrement(by amount: Double) { number.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }
}

/// How values are spread: of times in seconds, of others as they are.
final class PrometheusHistogram: Instrument, TimerHandler, RecorderHandler {
    /// Half a millisecond to half a minute.
    static let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
    /// Powers of four, to 1 GiB.
    static let numbers = (0...15).map { Double(1 << (2 * $0)) }

    private let counts: Mutex<HistogramCounts>

    let kind = MetricDescription.Kind.histogram

    init(bounds: [Double]) {
        counts = Mutex(HistogramCounts(bounds: bounds))
    }

    var value: Exposition.Value { .histogram(counts.withLock { $0 }) }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) { counts.withLock { $0.record(value) } }
}
