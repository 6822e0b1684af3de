import Foundation
import NATS
import PrometheusMetrics
@testable import StorageOperations
import TestSupport
import Testing

@Suite struct MetricsTests {
    /// The list that people read: name, kind and sentence.
    private func documented() throws -> [String: (kind: String, help: String)] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/metrics.md")
        var metrics: [String: (String, String)] = [:]
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            guard let row = line.wholeMatch(of: /\| `([a-z_]+)` \| (\w+) \| .*? \| (.*) \|/) else { continue }
            metrics[String(row.1)] = (String(row.2), String(row.3))
        }
        return metrics
    }

    @Test func theListSaysWhatThereIs() throws {
        let documented = try documented()
        #expect(documented.count > 50)
        #expect(Set(documented.keys) == Set(MetricCatalog.all.map(\.name)))
        for metric in MetricCatalog.all {
            #expect(documented[metric.name]?.kind == metric.kind.rawValue, "\(metric.name)")
            #expect(documented[metric.name]?.help == metric.help, "\(metric.name)")
        }
    }

    @Test func whatHappensIsCounted() async throws {
        let program = try await MonitoredComponent()
        let client = try await program.connect()
        func ask(_ port: String, _ payload: String = "", _ headers: NATSHeaders = [:]) async throws {
            _ = try await client.request("storage.t.\(port)", headers: headers, payload: Array(payload.utf8))
        }
        for number in 0..<5 { try await ask("put", "12345678", ["Storage-Key": "k\(number)"]) }
        try await ask("get", "k1")
        for _ in 0..<3 { try await ask("get", "none") }
        try await ask("info", "/bad")
        try await ask("list")
        try await ask("delete", "k2")
        try await ask("api", #"{"action":"store","data":{"a":1}}"#)
        try await ask("api", #"{"action":"get","key":"none"}"#)
        try await ask("api", "nonsense")
        try await client.publish("storage.t.write", payload: Array("12".utf8))
        let stored = ["instance": "t", "input": "storage.t.write", "result": "stored"]
        // Whoever asked is answered before all is told, and what is told is counted afterwards.
        var text = try await program.metrics()
        try await eventually("the message is not stored and told") {
            text = try await program.metrics()
            return text.value("nats_storage_input_messages_total", stored) == 1
                && text.value("nats_storage_events_published_total", ["instance": "t", "type": "stored"]) == 7
                && text.value("nats_storage_references_published_total", ["instance": "t"]) == 1
                && text.value("nats_storage_requests_in_flight", ["instance": "t"]) == 0
        }
        func requests(_ port: String, _ operation: String, _ code: String) -> Double? {
            text.value(
                "nats_storage_requests_total", ["instance": "t", "port": port, "operation": operation, "code": code])
        }
        #expect(requests("put", "put", "ok") == 5)
        #expect(requests("get", "get", "ok") == 1 && requests("get", "get", "not_found") == 3)
        #expect(requests("info", "info", "invalid") == 1)
        #expect(requests("delete", "delete", "ok") == 1 && requests("list", "list", "ok") == 1)
        #expect(requests("api", "store", "ok") == 1 && requests("api", "get", "not_found") == 1)
        #expect(requests("api", "unknown", "invalid") == 1)
        #expect(text.value("nats_storage_request_bytes_total", ["instance": "t", "port": "put"]) == 40)
        #expect((text.value("nats_storage_response_bytes_total", ["instance": "t", "port": "get"]) ?? 0) >= 8)
        let duration = ["instance": "t", "port": "put", "operation": "put"]
        #expect(text.value("nats_storage_request_duration_seconds_count", duration) == 5)
        #expect(text.value("nats_storage_requests_in_flight_limit", ["instance": "t"]) == 256)
        #expect(text.sum("nats_storage_nats_messages_total", ["direction": "in"]) >= 15)
        #expect((text.value("process_resident_memory_bytes") ?? 0) > 1_000_000)
        #expect((text.value("process_open_fds") ?? 0) > 5)
        let age = Date.now.timeIntervalSince1970 - (text.value("process_start_time_seconds") ?? 0)
        #expect(age > -5 && age < 600)
        let known = Set(MetricCatalog.all.map(\.name))
        #expect(text.families.keys.filter { !known.contains($0) } == [])
        await client.close()
    }

    /// As in a sandbox that shows a process no more than its own.
    @Test func theStartIsToldWhereTheSystemHidesItsOwn() async throws {
        let script = #"mount --bind /dev/null /proc/stat && exec "$0" "$@""#
        let program = try await MonitoredComponent(
            tool: Namespaces.own("--mount") + ["sh", "-c", script])
        let start = try await program.metrics().value("process_start_time_seconds") ?? 0
        let age = Date.now.timeIntervalSince1970 - start
        #expect(age > -1 && age < 600, "\(start)")
        #expect(try await program.stop() == 0)
    }

    @Test func layersTellTheirFigures() async throws {
        let instances = """
            instances:
              - name: t
                store:
                  type: tiered
                  hot: {type: memory}
                  cold: {type: memory, layers: [{metrics: {name: cold}}]}
                layers: [{retry: {}}, {limit: {}}, {throttle: {reads_per_minute: 100000}}, {cache: {max_entries: 10}}]
            """
        let program = try await MonitoredComponent(instances: instances)
        let client = try await program.connect()
        _ = try await client.request("storage.t.put", headers: ["Storage-Key": "k"], payload: [1, 2, 3])
        for _ in 0..<4 { _ = try await client.request("storage.t.get", payload: Array("k".utf8)) }
        let text = try await program.metrics()
        let labels = ["instance": "t"]
        #expect((text.value("nats_storage_cache_hits_total", labels) ?? 0) >= 3)
        #expect((text.value("nats_storage_cache_misses_total", labels) ?? 0) >= 1)
        #expect(text.value("nats_storage_cache_entries", labels) == 1)
        #expect(text.value("nats_storage_tier_objects", ["instance": "t", "tier": "hot"]) == 1)
        #expect(text.value("nats_storage_tier_bytes", ["instance": "t", "tier": "hot"]) == 3)
        #expect(text.value("nats_storage_tier_hits_total", ["instance": "t", "tier": "cold"]) != nil)
        #expect(text.value("nats_storage_throttle_operations_total", ["instance": "t", "direction": "write"]) == 1)
        #expect(text.value("nats_storage_limit_waiting", labels) == 0)
        #expect(text.value("nats_storage_retries_total", labels) == 0)
        #expect(text.value("nats_storage_store_operations_total", ["store": "cold", "operation": "put"]) == 1)
        #expect(text.value("nats_storage_store_bytes_total", ["store": "cold", "direction": "in"]) == 3)
        await client.close()
    }
}
