import Foundation
import TestSupport
import Testing

/// Components that start before what they need.
@Suite struct StartTests {
    private func configuration(_ url: String) -> String {
        """
        nats: {url: "\(url)"}
        start_timeout: 20s
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
            let yaml = configuration(url).replacing("20s", with: limit)
            try yaml.write(to: file, atomically: true, encoding: .utf8)
            let outcome = try await Program.run(["serve", "--config", file.path])
            #expect(outcome.status == 1 && outcome.complaints.contains("connecting to \(url)"), "\(outcome)")
            let warnings = outcome.complaints.components(separatedBy: "as start_timeout says").count - 1
            #expect(retries.contains(warnings), "\(outcome)")
        }
    }

    @Test func whatWillNotPassIsAnErrorAtOnce() async throws {
        let server = try await NATSServer(.newest, configuration: "authorization {user: a, password: b}")
        let outcome = try await Program.run(["serve", "--server", "nats://a:wrong@127.0.0.1:\(server.port)"])
        #expect(outcome.status == 1 && !outcome.complaints.contains("start_timeout"), "\(outcome)")
    }
}
