public import Metrics
import Synchronization

/// Keeps the program's swift-metrics, to be told in Prometheus' format.
///
/// Counters become counters, meters and recorders that don't aggregate gauges, timers (in seconds) and other recorders
/// histograms. The same label and dimensions are the same series, however often they are asked for. There are bounds:
/// what would be one series too many, or is of another kind than its name already has, works, is told nowhere, and is
/// counted in ``refused``.
public final class PrometheusRegistry: MetricsFactory {
    private struct State {
        var series: [SeriesID: any Instrument] = [:]
        var kinds: [String: (kind: MetricDescription.Kind, count: Int)] = [:]
        var refused = 0
    }

    private let maxSeries: Int
    private let maxSeriesPerMetric: Int
    private let state: Mutex<State>

    /// - Parameters:
    ///   - catalog: metrics whose kind is known: another one of the name is refused.
    ///   - maxSeries: the most series of all metrics together.
    ///   - maxSeriesPerMetric: the most series of one.
    public init(catalog: [MetricDescription] = [], maxSeries: Int = 20_000, maxSeriesPerMetric: Int = 2000) {
        self.maxSeries = maxSeries
        self.maxSeriesPerMetric = maxSeriesPerMetric
        var state = State()
        for metric in catalog { state.kinds[metric.name] = (metric.kind, 0) }
        self.state = Mutex(state)
    }

    /// How many metrics were not kept.
    public var refused: Int { state.withLock { $0.refused } }

    /// Adds every series to `exposition`.
    public func collect(into exposition: inout Exposition) {
        for (id, instrument) in state.withLock({ $0.series }) {
            exposition.add(id.name, instrument.kind, id.labels, instrument.value)
        }
    }

    private func instrument<Handler: Instrument>(
        _ label: String, _ dimensions: [(String, String)], _ make: () -> Handler
    ) -> Handler {
        let id = SeriesID(name: label.sanitized(allowing: "_:"), labels: LabelSet(dimensions))
        return state.withLock { state in
            if let known = state.series[id] as? Handler { return known }
            let handler = make()
            let family = state.kinds[id.name] ?? (handler.kind, 0)
            guard family.kind == handler.kind, state.series[id] == nil, family.count < maxSeriesPerMetric,
                state.series.count < maxSeries
            else {
                state.refused += 1
                return handler
            }
            state.series[id] = handler
            state.kinds[id.name] = (family.kind, family.count + 1)
            return handler
        }
    }

    private func remove(_ handler: AnyObject) {
        state.withLock { state in
            guard let id = state.series.first(where: { $0.value === handler })?.key else { return }
            state.series[id] = nil
            state.kinds[id.name]?.count -= 1
        }
    }

    // MARK: MetricsFactory

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        instrument(label, dimensions) { PrometheusCounter() }
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        instrument(label, dimensions) { PrometheusCounter() }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        instrument(label, dimensions) { PrometheusGauge() }
    }

    public func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        if !aggregate { return instrument(label, dimensions) { PrometheusGauge() } }
        return instrument(label, dimensions) { PrometheusHistogram(bounds: PrometheusHistogram.numbers) }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        instrument(label, dimensions) { PrometheusHistogram(bounds: PrometheusHistogram.seconds) }
    }

    public func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    public func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    public func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    public func destroyTimer(_ handler: any TimerHandler) { remove(handler) }
}
