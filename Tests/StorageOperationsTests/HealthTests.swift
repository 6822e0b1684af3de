import Foundation
import NATS
import TestSupport
import Testing

@Suite struct HealthTests {
    @Test func healthAndReadinessFollowNATS() async throws {
        let program = try await MonitoredComponent()
        #expect(try await program.get("/healthz").status == 200)
        let ready = try await program.get("/readyz")
        #expect(ready.status == 200 && ready.headers["content-type"] == "application/json")
        #expect(try ready.json["ready"] as? Bool == true)
        func control() async throws -> [String: Any]? {
            (try await program.get("/readyz").json["nats"] as? [String: [String: Any]])?["control"]
        }
        program.server.kill()
        // Each connection finds out by itself.
        try await eventually("still ready without NATS") { try await control()?["ready"] as? Bool == false }
        #expect(try await program.get("/readyz").status == 503)
        let problem = try await control()?["problem"] as? String
        #expect(problem?.contains("reconnecting") == true)
        #expect(try await program.get("/healthz").status == 200)
        #expect(try await program.metrics().value("nats_storage_nats_connected", ["connection": "control"]) == 0)
        try await program.server.start()
        try await eventually("not ready again") { try await program.get("/readyz").status == 200 }
        #expect(try await program.metrics().value("nats_storage_nats_reconnects_total", ["connection": "control"]) == 1)
        #expect(try await program.stop() == 0)
    }

    @Test func aStoreThatDoesNotAnswerIsNamed() async throws {
        let server = try await NATSServer(.newest)
        let bucket = try await ServerProcess(try ServerProcess.tool("moto_server")) { port, _ in
            ["-H", "127.0.0.1", "-p", String(port)]
        }
        let s3 = """
            {type: s3, bucket: objects, endpoint: "http://127.0.0.1:\(bucket.port)", create: true, region: us-east-1,
                force_path_style: true, access_key_id: test, secret_access_key: test}
            """
        let program = try await MonitoredComponent(
            instances: "instances: [{name: a, store: {type: memory}}, {name: b, store: \(s3)}]", server: server)
        try await eventually("not ready with its bucket") { try await program.get("/readyz").status == 200 }
        bucket.kill()
        try await eventually("still ready without its bucket") { try await program.get("/readyz").status == 503 }
        let instances = try await program.get("/readyz").json["instances"] as? [String: [String: Any]]
        #expect(instances?["a"]?["ready"] as? Bool == true)
        #expect(instances?["b"]?["ready"] as? Bool == false)
        let problem = instances?["b"]?["problem"] as? String
        #expect(problem?.contains("the store does not answer") == true)
        #expect(try await program.metrics().value("nats_storage_instance_ready", ["instance": "b"]) == 0)
        #expect(try await program.metrics().value("nats_storage_instance_ready", ["instance": "a"]) == 1)
    }

    /// In a rolling update one component begins an upload, and another one takes over before it is done.
    @Test func anUploadUnderWaySurvivesSIGTERM() async throws {
        let stored = "instances: [{name: t, store: {type: jetstream, bucket: B}}]"
        let program = try await MonitoredComponent(instances: stored)
        let client = try await program.connect()
        let opened = try await client.request("storage.t.upload", headers: ["Storage-Key": "slow"])
        let answer = try JSONSerialization.jsonObject(with: Data(opened.payload)) as? [String: Any]
        let parts = try (answer?["part_subject"] as? String).orThrow("no part subject")
        let other = try await MonitoredComponent(instances: stored, server: program.server)
        program.signal(SIGTERM)
        try await eventually("still ready while it drains") { try await program.get("/readyz").status == 503 }
        for number in 1...5 {
            try await Task.sleep(for: .milliseconds(200))
            let reply = try await client.request(
                parts, headers: ["Storage-Part": "\(number)"], payload: Array(repeating: 1, count: 1000))
            #expect(reply.headers.first("Nats-Service-Error") == nil)
        }
        let reply = try await client.request(parts, headers: ["Storage-Commit": "-"])
        #expect(reply.headers.first("Nats-Service-Error") == nil)
        #expect(try await program.stop() == 0)
        let read = try await client.request("storage.t.get", payload: Array("slow".utf8))
        #expect(read.payload.count == 5000)
        await client.close()
        #expect(try await other.stop() == 0)
    }

    @Test func readinessEndsBeforeTheWorkDoes() async throws {
        let slow = "instances: [{name: t, store: {type: memory, layers: [{faults: {latency: 15s}}]}}]"
        let program = try await MonitoredComponent(instances: slow)
        let client = try await program.connect()
        async let reply = client.request(
            "storage.t.put", headers: ["Storage-Key": "k"], payload: [1], timeout: .seconds(120))
        try await eventually("the request does not arrive") {
            try await program.metrics().value("nats_storage_requests_in_flight", ["instance": "t"]) == 1
        }
        program.signal(SIGTERM)
        try await eventually("still ready while it drains") { try await program.get("/readyz").status == 503 }
        let problem = try await program.get("/readyz").body
        #expect(problem.contains("draining") && program.isRunning)
        #expect(try await reply.headers.first("Nats-Service-Error-Code") == nil)
        #expect(try await program.stop() == 0)
        await client.close()
    }
}
