import Foundation
import TestSupport
import Testing

/// Components that start before what they need.
@Suite struct StartTests {
    private func configuration(_ url: String) -> String {
        """
        nats: {url: "\(url)"}
        start_timeout: 120s
        instances: [{name: t, store: {type: jetstream, bucket: B}}]
        """
    }

    @Test func aServerMayComeLater() async throws {
        let server = try await NATSServer(.newest)
        server.kill()
        async let starting = ComponentProcess(configuration(server.url))
        try await Task.sleep(for: .milliseconds(500))
        try await server.start()
        let component = try await starting
        component.signal(SIGTERM)
        #expect(await component.wait() == 0)
    }

    @Test func whatNeverComesIsAnError() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("start-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        let url = "nats://127.0.0.1:\(try NATSServer.freePort())"
        for (limit, retries) in [("2500ms", 1...2), ("1ms", 0...0)] {
            let yaml = configuration(url).replacing("120s", with: limit)
            try yaml.write(to: file, atomically: true, encoding: .utf8)
            let outcome = try await Program.run(["serve", "--config", file.path])
            #expect(outcome.status == 1 && outcome.complaints.contains("connecting to \(url)"), "\(outcome)")
            let warnings = outcome.complaints.components(separatedBy: "as start_timeout says").count - 1
            #expect(retries.contains(warnings), "\(outcome)")
        }
    }

    /// The HTTP port is there from the beginning; and what begins can be ended, also as the first process of a container,
    /// which gets no signal that it does not handle.
    @Test(arguments: [[], Namespaces.own("--pid", "--fork", "--kill-child")])
    func aStartTellsHowItStandsAndCanBeEnded(_ container: [String]) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("start-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("component.yaml")
        let port = try NATSServer.freePort()
        try (configuration("nats://127.0.0.1:\(try NATSServer.freePort())") + "\nhttp: {listen: \"127.0.0.1:\(port)\"}")
            .write(to: file, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = container + [Program.url.path, "serve", "--config", file.path]
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
        func answer(_ path: String) async throws -> WebAnswer {
            try WebAnswer(await WebClient(port).exchange("GET \(path) HTTP/1.0\r\n\r\n"))
        }
        try await eventually("the HTTP port does not open") { (try? await answer("/healthz").status) == 200 }
        let readiness = try await answer("/readyz")
        #expect(readiness.status == 503 && readiness.body.contains("the instance is starting"), "\(readiness)")
        #expect(try await answer("/metrics").body.contains(#"nats_storage_instance_ready{instance="t"} 0"#))
        #expect(try await answer("/").status == 200)
        for pid in try components(of: file.path) { kill(pid, SIGTERM) }
        try await eventually("the start does not end") { !process.isRunning }
        #expect(process.terminationReason == .exit && process.terminationStatus == 0)
    }

    @Test func whatWillNotPassIsAnErrorAtOnce() async throws {
        let server = try await NATSServer(.newest, configuration: "authorization {user: a, password: b}")
        let outcome = try await Program.run(["serve", "--server", "nats://a:wrong@127.0.0.1:\(server.port)"])
        #expect(outcome.status == 1 && !outcome.complaints.contains("start_timeout"), "\(outcome)")
    }
}
