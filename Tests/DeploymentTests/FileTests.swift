import Foundation
import NATS
import Storage
import StorageClient
import TestSupport
import Testing

/// The files in `deploy/`: valid, consistent, and run as far as a machine without containers can run them.
@Suite struct FileTests {
    @Test(arguments: ["containerfile", "compose", "kubernetes", "scripts", "systemd", "prometheus"])
    func isInOrder(_ check: String) async throws {
        let checks = Deployment.root.appending(path: "Tests/DeploymentTests/checks.py")
        _ = try await python(
            try String(contentsOf: checks, encoding: .utf8), [check, Deployment.root.path, Program.url.path])
    }

    /// The servers of the compose file, as processes, with its configurations and its environment.
    @Test func theComposedServersWorkTogether() async throws {
        let values = try Self.environment("compose/example.env")
        func value(_ name: String) throws -> String { try values[name].orThrow("no \(name)") }
        var environment = values
        let (client, monitor) = (try NATSServer.freePort(), try NATSServer.freePort())
        environment["CLIENT_LISTEN"] = "127.0.0.1:\(client)"
        environment["MONITOR_LISTEN"] = "127.0.0.1:\(monitor)"
        let folder = try Folder()
        let nats = try await NATSServer.process(
            environment, "nats/server.conf", port: client, data: folder.url.path + "/data")
        defer { withExtendedLifetime(nats) {} }
        let keys = [
            "AWS_ACCESS_KEY_ID": try value("S3_ACCESS_KEY_ID"),
            "AWS_SECRET_ACCESS_KEY": try value("S3_SECRET_ACCESS_KEY"),
        ]
        let weed = try await ServerProcess(try ServerProcess.tool("weed"), environment: keys) { port, folder in
            let ports = try (0..<7).map { _ in try NATSServer.freePort() }
            return [
                "server", "-dir=\(folder)", "-ip=127.0.0.1", "-s3", "-s3.port=\(port)", "-volume.max=0",
                "-s3.port.grpc=\(ports[6])", "-s3.port.iceberg=0", "-s3.port.lance=0",
                "-master.port=\(ports[0])", "-master.port.grpc=\(ports[1])", "-volume.port=\(ports[2])",
                "-volume.port.grpc=\(ports[3])", "-filer.port=\(ports[4])", "-filer.port.grpc=\(ports[5])",
            ]
        }
        let file = Deployment.root.appending(path: "deploy/compose/component.yaml").path
        let component = try await Program.Component(
            ["--config", file],
            environment: keys.merging([
                "NATS_URL": "nats://127.0.0.1:\(client)", "S3_ENDPOINT": "http://127.0.0.1:\(weed.port)",
                "COMPONENT_PASSWORD": try value("COMPONENT_PASSWORD"),
                "HTTP_LISTEN": "127.0.0.1:\(try NATSServer.freePort())",
            ]) { $1 })
        var options = NATSOptions()
        options.urls = ["nats://127.0.0.1:\(client)"]
        options.credentials = .userPassword("writer", try value("WRITER_PASSWORD"))
        options.inboxPrefix = "_INBOX_writer"
        let connection = try await NATSConnection.connect(options)
        let store = try await RemoteStore.discover(connection)
        let content = bytes(2_500_000)
        try await store.put("composed", ObjectBody(content))
        #expect(try await store.bytes("composed") == content)
        await connection.close()
        #expect(await component.stop() == 0)
        #expect(!component.said.lowercased().contains("permission"), "\(component.said)")
    }

    /// Three servers of one cluster, a bucket in three replicas, and one of them gone.
    @Test func theClusterKeepsObjectsWhenAServerIsGone() async throws {
        let clients = try (0..<3).map { _ in try NATSServer.freePort() }
        let routes = try (0..<3).map { _ in try NATSServer.freePort() }
        let folder = try Folder()
        var servers: [ServerProcess?] = []
        for number in 0..<3 {
            var environment = [
                "SERVER_NAME": "nats-\(number)", "CLIENT_LISTEN": "127.0.0.1:\(clients[number])",
                "MONITOR_LISTEN": "127.0.0.1:\(try NATSServer.freePort())",
                "CLUSTER_LISTEN": "127.0.0.1:\(routes[number])", "ROUTE_PASSWORD": "route-password",
            ]
            for (other, port) in routes.enumerated() {
                environment["ROUTE_\(other)"] = "nats-route://route:route-password@127.0.0.1:\(port)"
            }
            for role in ["component"] + RoleTests.roles {
                environment["\(role.uppercased())_PASSWORD"] = "\(role)-password"
            }
            let data = folder.url.path + "/data-\(number)"
            servers.append(
                try await NATSServer.process(environment, "nats/cluster.conf", port: clients[number], data: data))
        }
        let password = try folder.write("component-password", "component-password")
        let component = try await Self.patiently {
            try await Program.Component(
                ["--config", Deployment.root.appending(path: "deploy/component.yaml").path],
                environment: [
                    "NATS_URL": "nats://127.0.0.1:\(clients[1])", "BUCKET_REPLICAS": "3",
                    "COMPONENT_PASSWORD_FILE": password, "HTTP_LISTEN": "127.0.0.1:\(try NATSServer.freePort())",
                ])
        }
        var options = NATSOptions()
        options.urls = ["nats://operator:operator-password@127.0.0.1:\(clients[2])"]
        options.inboxPrefix = "_INBOX_operator"
        let connection = try await NATSConnection.connect(options)
        let store = RemoteStore(connection)
        for number in 0..<20 { try await store.put(try ObjectKey(validating: "k\(number)"), ObjectBody("\(number)")) }
        let stream = try await connection.request("$JS.API.STREAM.INFO.OBJ_OBJECTS")
        let info = try JSONSerialization.jsonObject(with: Data(stream.payload)) as? [String: Any]
        #expect((info?["config"] as? [String: Any])?["num_replicas"] as? Int == 3)
        servers[0] = nil
        for number in 0..<20 {
            let key = try ObjectKey(validating: "k\(number)")
            let read = try await Self.patiently { try await store.bytes(key) }
            #expect(read == Array("\(number)".utf8))
        }
        _ = try await Self.patiently { try await store.put("after", ObjectBody("after")) }
        await connection.close()
        #expect(await component.stop() == 0)
        #expect(!component.said.lowercased().contains("permission"), "\(component.said)")
    }

    /// A new leader takes a moment.
    private static func patiently<Value>(_ body: () async throws -> Value) async throws -> Value {
        for _ in 0..<60 {
            if let value = try? await body() { return value }
            try await Task.sleep(for: .milliseconds(500))
        }
        return try await body()
    }

    private static func environment(_ path: String) throws -> [String: String] {
        let lines = try Deployment.text(path).split(separator: "\n").filter { !$0.hasPrefix("#") }
        let pairs = lines.map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        return Dictionary(uniqueKeysWithValues: pairs.map { ($0[0], $0[1]) })
    }
}

extension NATSServer {
    /// The newest server with a configuration of `deploy/`, as it stands there.
    static func process(
        _ environment: [String: String], _ configuration: String, port: Int, data: String
    ) async throws -> ServerProcess {
        let file = Deployment.root.appending(path: "deploy/\(configuration)").path
        return try await ServerProcess(
            try ServerFlavor.newest.path(), environment: environment.merging(["STORE_DIR": data]) { $1 }, port: port
        ) { _, _ in ["-c", file] }
    }
}
