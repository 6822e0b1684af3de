import Metrics
import PrometheusMetrics
import TestSupport
import Testing

@Suite struct RegistryTests {
    private func read(_ registry: PrometheusRegistry) throws -> PrometheusText {
        var exposition = Exposition()
        registry.collect(into: &exposition)
        return try PrometheusText(exposition.text)
    }

    @Test func everyKindOfMetricIsTold() throws {
        let registry = PrometheusRegistry()
        let counter = Counter(label: "c_total", dimensions: [("b", "2"), ("a", "1")], factory: registry)
        counter.increment(by: 3)
        Counter(label: "c_total", dimensions: [("a", "1"), ("b", "2")], factory: registry).increment()
        FloatingPointCounter(label: "f_total", factory: registry).increment(by: 0.25)
        let meter = Meter(label: "m", factory: registry)
        meter.set(5)
        meter.decrement(by: 1.5)
        Gauge(label: "g", factory: registry).record(-7)
        let timer = Timer(label: "t_seconds", dimensions: [("x", "y")], factory: registry)
        for milliseconds in [0.1, 1, 3, 40, 100_000] { timer.recordMilliseconds(milliseconds) }
        Recorder(label: "r_bytes", factory: registry).record(100)
        let text = try read(registry)
        #expect(text.value("c_total", ["a": "1", "b": "2"]) == 4)
        #expect(text.value("f_total") == 0.25)
        #expect(text.value("m") == 3.5 && text.value("g") == -7)
        #expect(text.families["t_seconds"]?.type == "histogram")
        #expect(text.value("t_seconds_bucket", ["x": "y", "le": "0.001"]) == 2)
        #expect(text.value("t_seconds_bucket", ["x": "y", "le": "0.05"]) == 4)
        #expect(text.value("t_seconds_count", ["x": "y"]) == 5)
        #expect(abs((text.value("t_seconds_sum", ["x": "y"]) ?? 0) - 100.0441) < 1e-9)
        #expect(text.value("r_bytes_bucket", ["le": "64"]) == 0 && text.value("r_bytes_bucket", ["le": "256"]) == 1)
        counter.destroy()
        #expect(try read(registry).families["c_total"] == nil)
    }

    @Test func labelsMayHoldAnything() throws {
        let registry = PrometheusRegistry()
        let nasty = "a\"b\\c\nd{}=,é\u{0}"
        Counter(label: "9 bad-näme", dimensions: [("la bel", nasty), ("0", "")], factory: registry).increment()
        #expect(try read(registry).value("_9_bad_n__me", ["la_bel": nasty, "_0": ""]) == 1)
    }

    @Test func thereAreBounds() throws {
        let registry = PrometheusRegistry(
            catalog: [MetricDescription("known", .gauge, "A gauge.")], maxSeries: 5, maxSeriesPerMetric: 3)
        for number in 0..<10 { Counter(label: "a", dimensions: [("n", "\(number)")], factory: registry).increment() }
        #expect(try read(registry).families["a"]?.samples.count == 3 && registry.refused == 7)
        Counter(label: "known", factory: registry).increment()
        Timer(label: "a", dimensions: [("n", "1")], factory: registry).recordSeconds(1)
        #expect(try read(registry).families.count == 1 && registry.refused == 9)
        for number in 0..<10 { Counter(label: "b\(number)", factory: registry).increment() }
        #expect(try read(registry).families.count == 3)
    }

    @Test func countersNeverShrink() throws {
        let registry = PrometheusRegistry()
        let counter = FloatingPointCounter(label: "a", factory: registry)
        counter.increment(by: 2.0)
        counter.increment(by: -1.0)
        counter.increment(by: Double.infinity)
        #expect(try read(registry).value("a") == 2)
    }

    @Test func whatIsLookedAtIsAddedUp() throws {
        var exposition = Exposition(catalog: [MetricDescription("hits_total", .counter, "Line\nbreak, back\\slash.")])
        exposition.add("hits_total", [("i", "a")], 1)
        exposition.add("hits_total", .counter, [("i", "a")], 2)
        exposition.add("hits_total", .gauge, [("i", "b")], 9)
        let text = try PrometheusText(exposition.text)
        #expect(text.value("hits_total", ["i": "a"]) == 3 && text.value("hits_total", ["i": "b"]) == nil)
        #expect(text.families["hits_total"]?.help == "Line\\nbreak, back\\\\slash.")
    }
}
