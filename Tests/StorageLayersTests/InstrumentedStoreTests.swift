import Metrics
import MetricsTestKit
import Storage
import StorageLayers
import TestSupport
import Testing

@Suite struct InstrumentedStoreTests {
    @Test func operationsErrorsAndBytesAreCounted() async throws {
        let metrics = TestMetrics()
        let store = InstrumentedStore(MemoryStore(), name: "s", factory: metrics)
        try await store.put("a", ObjectBody(bytes(1000)))
        try await store.put("b", .stream(bytes(2500)))
        _ = try await store.bytes("a")
        for _ in 0..<3 { _ = try? await store.info("none") }
        _ = try await store.list(ListQuery())
        func count(_ label: String, _ dimensions: [(String, String)]) throws -> Int64 {
            try metrics.expectCounter(label, [("store", "s")] + dimensions).totalValue
        }
        #expect(try count("nats_storage_store_operations_total", [("operation", "put")]) == 2)
        #expect(try count("nats_storage_store_operations_total", [("operation", "get")]) == 1)
        #expect(try count("nats_storage_store_operations_total", [("operation", "info")]) == 3)
        #expect(try count("nats_storage_store_operations_total", [("operation", "list")]) == 1)
        #expect(try count("nats_storage_store_operations_total", [("operation", "delete")]) == 0)
        #expect(try count("nats_storage_store_bytes_total", [("direction", "in")]) == 3500)
        #expect(try count("nats_storage_store_bytes_total", [("direction", "out")]) == 1000)
        #expect(try count("nats_storage_store_errors_total", [("operation", "info"), ("code", "not_found")]) == 3)
        let duration = try metrics.expectTimer(
            "nats_storage_store_operation_duration_seconds", [("store", "s"), ("operation", "info")])
        #expect(duration.values.count == 3 && duration.values.allSatisfy { $0 > 0 })
    }
}
