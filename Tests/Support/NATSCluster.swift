import Foundation
package import NATS

/// Three servers that keep what is replicated; each may be killed and started again.
package final class NATSCluster: Sendable {
    /// Elections may have to be repeated, and each step waits for three disks.
    private static let patience: Duration = .seconds(180)

    package let servers: [NATSServer]

    /// Starts them, and waits until they have chosen their leader.
    ///
    /// - Parameter syncs: whether what is acknowledged is on the disk, as `sync_interval: always` has it.
    package init(_ flavor: ServerFlavor = .newest, syncs: Bool = true) async throws {
        let ports = try (0..<3).map { _ in try NATSServer.freePort() }
        let routes = ports.map { "nats://127.0.0.1:\($0)" }.joined(separator: ", ")
        var servers: [NATSServer] = []
        for (index, port) in ports.enumerated() {
            servers.append(
                try await NATSServer(
                    flavor, options: syncs ? "\n sync_interval: always" : "",
                    configuration: """
                        server_name: n\(index)
                        cluster { name: test, listen: "127.0.0.1:\(port)", routes: [\(routes)] }
                        """))
        }
        self.servers = servers
        let connection = try await connect()
        try await eventually("the cluster has no leader", within: Self.patience) {
            await Self.ask(connection, "INFO") != nil
        }
        await connection.close()
    }

    package var urls: [String] { servers.map(\.url) }

    /// A connection to any of them, which goes to another when that one ends.
    package func connect() async throws -> NATSConnection {
        var options = NATSOptions()
        options.urls = urls
        options.reconnectWait = .milliseconds(100)
        return try await NATSConnection.connect(options)
    }

    /// The server that leads `stream`; nil while none does.
    package func leader(of stream: String, _ connection: NATSConnection) async -> NATSServer? {
        let cluster = await Self.ask(connection, "STREAM.INFO.\(stream)")?["cluster"] as? [String: Any]
        guard let name = cluster?["leader"] as? String, let index = name.last?.wholeNumberValue else { return nil }
        return servers[index]
    }

    /// Waits until `stream` has a leader, and all its replicas are up to date.
    package func heal(_ stream: String, _ connection: NATSConnection) async throws {
        try await eventually("stream \(stream) does not heal", within: Self.patience) {
            let cluster = await Self.ask(connection, "STREAM.INFO.\(stream)")?["cluster"] as? [String: Any]
            let replicas = cluster?["replicas"] as? [[String: Any]] ?? []
            return cluster?["leader"] is String && replicas.count == 2
                && replicas.allSatisfy { $0["current"] as? Bool == true }
        }
    }

    /// An answer of JetStream; nil where none comes, or an error.
    private static func ask(_ connection: NATSConnection, _ operation: String) async -> [String: Any]? {
        let reply = try? await connection.request("$JS.API.\(operation)", timeout: .seconds(1))
        guard let reply else { return nil }
        let answer = try? JSONSerialization.jsonObject(with: Data(reply.payload)) as? [String: Any]
        return answer?["error"] == nil ? answer : nil
    }
}
