import Foundation
import NATS
import Storage
import StorageClient
import TestSupport
import Testing

/// The dashboard and the rules, in a real Prometheus that scrapes a component.
@Suite struct DashboardTests {
    /// An instance with every layer that has figures, some of which fail now and then, and a pipeline.
    private static let instances = """
        instances:
          - name: objectstore
            store:
              type: tiered
              hot: {type: memory, layers: [{faults: {fail_every: 5, operations: [get]}}]}
              cold:
                type: memory
                layers: [{faults: {fail_every: 7, operations: [put]}}, {metrics: {name: cold}}, retry]
            layers: [{limit: {max_concurrent: 100}}, {throttle: {writes_per_minute: 6000, burst: 1}}, {cache: {ttl: 1s}}]
            ports: {inputs: [{name: write, type: jetstream, stream: SENSORS, subject: sensors.>}]}
        """

    @Test func everyPanelShowsSomething() async throws {
        let server = try await NATSServer(.newest)
        var options = NATSOptions()
        options.urls = [server.url]
        let connection = try await NATSConnection.connect(options)
        let streams = JetStream(connection)
        _ = try await streams.createStream(StreamConfiguration(name: "SENSORS", subjects: ["sensors.>"]))
        let port = try NATSServer.freePort()
        let folder = try Folder()
        let file = try folder.write(
            "nats: {url: \"\(server.url)\"}\nhttp: {listen: \"127.0.0.1:\(port)\"}\n" + Self.instances, "component.yaml"
        )
        let component = try await Program.Component(["--config", file])
        let prometheus = try await Self.prometheus(scraping: port, folder)
        let store = RemoteStore(connection)
        for number in 0..<50 {
            let key = try ObjectKey(validating: "k\(number % 10)")
            _ = try? await store.put(key, ObjectBody(bytes(1000)))
            _ = try? await store.bytes(key)
            _ = try? await store.info("none")
            _ = try? await store.list(ListQuery())
            _ = try await streams.publish("sensors.a", payload: Array("\(number)".utf8))
        }
        _ = try? await store.put("large", ObjectBody(bytes(2_000_000)))
        // Rates need a few scrapes, with something new in them.
        try await Task.sleep(for: .seconds(4))
        let checks = Deployment.root.appending(path: "Tests/DeploymentTests/dashboard.py")
        let said = try await python(
            try String(contentsOf: checks, encoding: .utf8),
            [Deployment.root.path, "http://127.0.0.1:\(prometheus.port)", "http://127.0.0.1:\(port)"])
        #expect(said.isEmpty, "\(said) \(component.said.suffix(2000))")
        await connection.close()
        #expect(await component.stop() == 0)
    }

    /// Prometheus with the configuration of `deploy/`, of this port and in more of a hurry.
    private static func prometheus(scraping port: Int, _ folder: Folder) async throws -> ServerProcess {
        let text = try Deployment.text("prometheus/prometheus.yaml").replacing(
            "127.0.0.1:8300", with: "127.0.0.1:\(port)")
        let hurry = "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
        let file = try folder.write(hurry + text, "prometheus.yaml")
        _ = try folder.write(try Deployment.text("prometheus/rules.yaml"), "rules.yaml")
        return try await ServerProcess("/usr/bin/prometheus") { port, data in
            [
                "--config.file=\(file)", "--storage.tsdb.path=\(data)/data",
                "--web.listen-address=127.0.0.1:\(port)",
            ]
        }
    }
}
