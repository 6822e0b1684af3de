public import Metrics
import PrometheusMetrics
import Synchronization

/// The metrics of the program, to be bootstrapped as its metrics system, and what the HTTP port counts of itself.
public final class OperationsMetrics: Sendable {
    /// Answered for themselves; everything else is `other`.
    private static let paths: Set = ["/", "/healthz", "/readyz", "/metrics", "/live", "/keys"]

    let registry = PrometheusRegistry(catalog: MetricCatalog.all)

    /// No metrics yet.
    public init() {}

    /// What takes the program's metrics.
    public var factory: any MetricsFactory { registry }

    /// Counts a reload of the configuration.
    public func reloaded(_ succeeded: Bool) {
        counter("nats_storage_configuration_reloads_total", [("result", succeeded ? "ok" : "failed")]).increment()
    }

    func count(_ path: String, _ status: Int) {
        let path = Self.paths.contains(path) ? path : "other"
        counter("nats_storage_http_requests_total", [("path", path), ("code", String(status))]).increment()
    }

    private func counter(_ label: String, _ dimensions: [(String, String)]) -> Counter {
        Counter(label: label, dimensions: dimensions, factory: registry)
    }
}
