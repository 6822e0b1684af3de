import Foundation
import NATS
import TestSupport
import Testing

@Suite struct ReloadTests {
    private let instances =
        "instances: [{name: t, store: {type: memory}, limits: {max_object_size: 10, max_in_flight: 7}}]"

    @Test func whatCanChangeDoesAndTheRestIsNamed() async throws {
        let program = try await MonitoredComponent()
        let client = try await program.connect()
        func put(_ size: Int) async throws -> String? {
            try await client.request(
                "storage.t.put", headers: ["Storage-Key": "k"], payload: Array(repeating: 1, count: size)
            ).headers.first("Nats-Service-Error-Code")
        }
        #expect(try await put(11) == nil)
        #expect(try await program.get("/keys?instance=t").status == 200)
        try program.write(
            http: ", browse: false, max_connections: 9", instances: instances, more: "log: {level: debug, format: json}"
        )
        program.signal(SIGHUP)
        try await program.logged("needs a restart to take effect: http.max_connections")
        #expect(try await put(11) == "413")
        #expect(try await put(10) == nil)
        #expect(try await program.get("/keys?instance=t").status == 403)
        #expect(try await program.metrics().value("nats_storage_requests_in_flight_limit", ["instance": "t"]) == 7)
        let log = try program.logText()
        #expect(log.contains(#""message":"configuration read again: "#) && log.contains("log.format"))
        #expect(log.contains("instances[t].limits.max_object_size"))
        await client.close()
        #expect(try await program.stop() == 0)
    }

    @Test func howManyKeysAListHasIsReadAgain() async throws {
        let program = try await MonitoredComponent()
        let client = try await program.connect()
        for key in ["a", "b", "c"] {
            _ = try await client.request("storage.t.put", headers: ["Storage-Key": key], payload: [1])
        }
        func json(_ subject: String) async throws -> [String: Any]? {
            let reply = try await client.request(subject)
            return try JSONSerialization.jsonObject(with: Data(reply.payload)) as? [String: Any]
        }
        try program.write(instances: "instances: [{name: t, store: {type: memory}, limits: {max_keys: 2}}]")
        program.signal(SIGHUP)
        try await program.logged("configuration read again: ")
        #expect(try await json("storage.t.list")?["keys"] as? [String] == ["a", "b"])
        let metadata = try await json("$SRV.INFO.storage-t")?["metadata"] as? [String: String]
        #expect(metadata?["max_keys"] == "2")
        await client.close()
        #expect(try await program.stop() == 0)
    }

    @Test func aWrongFileChangesNothing() async throws {
        let program = try await MonitoredComponent(instances: instances)
        try program.write(http: ", browse: false, nonsense: 1", more: "log: {level: debug}")
        program.signal(SIGHUP)
        try await program.logged("the configuration stays as it was")
        #expect(try program.logText().contains("http.nonsense"))
        #expect(try await program.get("/keys?instance=t").status == 200)
        let text = try await program.metrics()
        #expect(text.value("nats_storage_requests_in_flight_limit", ["instance": "t"]) == 7)
        #expect(text.value("nats_storage_configuration_reloads_total", ["result": "failed"]) == 1)
        // Another file that can't take effect without a restart leaves the rest alone.
        try program.write(instances: "instances: [{name: u, store: {type: memory}}]")
        program.signal(SIGHUP)
        try await program.logged("needs a restart to take effect: instances[t].limits")
        #expect(try await program.metrics().value("nats_storage_requests_in_flight_limit", ["instance": "t"]) == 7)
        #expect(try await program.get("/readyz").status == 200)
        #expect(try await program.stop() == 0)
    }

    /// It has the file read again once that can be.
    @Test func aHangupDuringTheStartEndsNothing() async throws {
        let server = try await NATSServer(.newest)
        let file = server.folder.appendingPathComponent("component.yaml")
        // While its server does not answer it can't go on.
        try await server.pause()
        try "nats: {url: \"\(server.url)\"}\ninstances: [{name: t, store: {type: memory}}]"
            .write(to: file, atomically: true, encoding: .utf8)
        let starting = Task { try await Program.Component(["--config", file.path]) }
        // It heeds signals from the beginning on, and then connects.
        try await eventually("nobody connects") { try isConnected(to: server.port) }
        for pid in try components(of: file.path) { kill(pid, SIGHUP) }
        try await Task.sleep(for: .milliseconds(100))
        server.signal(SIGCONT)
        let component = try await starting.value
        try await eventually("the file is not read again: \(component.said)") {
            component.said.contains("configuration read again")
        }
        #expect(await component.stop() == 0)
    }

    /// Whether a connection leads to a port of this machine.
    private func isConnected(to port: Int) throws -> Bool {
        // It comes in several pieces.
        let table = try FileHandle(forReadingFrom: URL(filePath: "/proc/net/tcp")).readToEnd() ?? Data()
        return String(decoding: table, as: UTF8.self).split(separator: "\n").dropFirst().contains { line in
            let fields = line.split(separator: " ")
            // Local and remote address, and the state: established.
            return fields[2] == "0100007F:" + String(format: "%04X", port) && fields[3] == "01"
        }
    }

    /// What the command line names takes the place of that alone.
    @Test func anAddressOnTheCommandLineLeavesTheRestAsItIs() async throws {
        let server = try await NATSServer(.newest)
        let file = server.folder.appendingPathComponent("component.yaml")
        try """
        nats: {url: "\(server.url)"}
        http: {listen: "127.0.0.1:1", browse: false}
        instances: [{name: t, store: {type: memory}}]
        """.write(to: file, atomically: true, encoding: .utf8)
        let port = try NATSServer.freePort()
        let component = try await Program.Component([
            "--config", file.path, "--http", "127.0.0.1:\(port)",
        ])
        let answer = try await WebClient(port).exchange("GET /keys?instance=t HTTP/1.0\r\n\r\n")
        #expect(try WebAnswer(answer).status == 403)
        #expect(await component.stop() == 0)
    }

    @Test func aTakenPortIsAnError() async throws {
        let program = try await MonitoredComponent()
        let other = Process()
        other.executableURL = Bundle.main.bundleURL.appendingPathComponent("nats-storage")
        let address = "127.0.0.1:\(program.port)"
        other.arguments = ["serve", "--store", "memory", "--server", program.server.url, "--http", address]
        let outcome = try await other.outcome()
        #expect(outcome.status == 1 && outcome.complaints.contains("the HTTP port can't listen on \(address)"))
    }
}
