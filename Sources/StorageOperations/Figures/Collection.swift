import Logging
import NATS
import PrometheusMetrics
import Storage
import StorageService

extension Operations {
    /// What is counted all the time, and what is only looked at now.
    func exposition() async -> Exposition {
        var exposition = Exposition(catalog: MetricCatalog.all)
        metrics.registry.collect(into: &exposition)
        for watched in instances { exposition.add(watched.instance) }
        let readiness = await readiness()
        for part in readiness.instances {
            exposition.add("nats_storage_instance_ready", [("instance", part.name)], part.isReady ? 1 : 0)
        }
        for (name, connection) in connections {
            exposition.add(name, connection, await connection.statistics())
        }
        addOwn(to: &exposition)
        exposition.addProcess()
        return exposition
    }

    private func addOwn(to exposition: inout Exposition) {
        let figures = figures
        exposition.add("nats_storage_build_info", [("version", StorageComponent.version)], 1)
        exposition.add("nats_storage_http_connections", Double(figures.connections))
        exposition.add("nats_storage_http_refused_connections_total", Double(figures.refused))
        exposition.add("nats_storage_page_viewers", Double(feed.viewerCount))
        exposition.add("nats_storage_page_dropped_events_total", Double(feed.dropped))
        exposition.add("nats_storage_metrics_refused_total", Double(metrics.registry.refused))
        for (level, count) in log.recordCounts {
            exposition.add("nats_storage_log_records_total", [("level", level.rawValue)], Double(count))
        }
        exposition.add("nats_storage_log_dropped_records_total", Double(log.droppedCount))
    }
}

extension Exposition {
    fileprivate mutating func add(_ name: String, _ value: Double) { add(name, [], value) }

    fileprivate mutating func add(_ instance: Operations.Instance) {
        let labels = [("instance", instance.monitor.instance)]
        add("nats_storage_requests_in_flight", labels, Double(instance.monitor.requestsInFlight))
        add("nats_storage_requests_in_flight_limit", labels, Double(instance.monitor.limits.maxInFlight))
        add("nats_storage_uploads_open", labels, Double(instance.monitor.openUploads))
        for measurement in instance.store.allMeasurements {
            add(
                "nats_storage_" + measurement.name, measurement.kind == .counter ? .counter : .gauge,
                labels + measurement.labels.map { ($0.key, $0.value) }, measurement.value)
        }
    }

    fileprivate mutating func add(_ name: String, _ connection: NATSConnection, _ figures: ConnectionStatistics) {
        let labels = [("connection", name)]
        let (received, sent) = (labels + [("direction", "in")], labels + [("direction", "out")])
        add("nats_storage_nats_connected", labels, connection.state == .connected ? 1 : 0)
        add("nats_storage_nats_reconnects_total", labels, Double(figures.reconnects))
        add("nats_storage_nats_messages_total", received, Double(figures.messagesIn))
        add("nats_storage_nats_messages_total", sent, Double(figures.messagesOut))
        add("nats_storage_nats_bytes_total", received, Double(figures.bytesIn))
        add("nats_storage_nats_bytes_total", sent, Double(figures.bytesOut))
        add("nats_storage_nats_dropped_messages_total", labels, Double(figures.dropped))
        add("nats_storage_nats_errors_total", labels, Double(figures.errors))
        add("nats_storage_nats_pending_requests", labels, Double(connection.pendingRequestCount))
    }

    fileprivate mutating func addProcess() {
        guard let process = ProcessFigures() else { return }
        add("process_cpu_seconds_total", process.cpuSeconds)
        add("process_resident_memory_bytes", Double(process.residentBytes))
        add("process_virtual_memory_bytes", Double(process.virtualBytes))
        add("process_open_fds", Double(process.openFiles))
        add("process_max_fds", Double(process.maxFiles))
        add("process_threads", Double(process.threads))
        add("process_start_time_seconds", process.startTime)
    }
}
