import Foundation
import NATS
import Storage
import StorageClient
import TestSupport
import Testing

/// Instances that share a server, or a process, and nothing else.
@Suite struct IsolationTests {
    @Test(arguments: ServerFlavor.allCases)
    func accountsDoNotSeeOneAnother(_ flavor: ServerFlavor) async throws {
        let users = ["a-component", "a-client", "b-component", "b-client"]
        let passwords = users.map { ($0.uppercased().replacing("-", with: "_") + "_PASSWORD", "\($0)-password") }
        let server = try await NATSServer(
            flavor,
            configuration: Deployment.configuration(
                "nats/accounts.conf", Dictionary(uniqueKeysWithValues: passwords)))
        // The same configuration for both: the same instance, the same bucket.
        func url(_ user: String) -> String { "nats://\(user):\(user)-password@127.0.0.1:\(server.port)" }
        let a = try await Program.Component(["--server", url("a-component")])
        let b = try await Program.Component(["--server", url("b-component")])
        let put = try await Program.run(["put", "secret", "/etc/hostname", "--server", url("a-client")])
        #expect(put.status == 0, "\(put.complaints)")
        #expect(try await Program.run(["ls", "--server", url("a-client")]).output == "secret\n")
        let other = try await Program.run(["ls", "--server", url("b-client")])
        #expect(other.status == 0 && other.output.isEmpty, "\(other)")
        #expect(await a.stop() == 0)
        let away = try await Program.run(["ls", "--server", url("a-client")])
        #expect(away.status == 1 && away.complaints.contains("is it running"), "\(away)")
        #expect(await b.stop() == 0)
    }

    @Test func instancesOfOneProcessHaveTheirOwnBucketsAndLimits() async throws {
        let server = try await NATSServer(.newest)
        let file = server.folder.appendingPathComponent("two.yaml")
        try """
        nats: {url: "\(server.url)"}
        instances:
          - {name: small, store: {type: jetstream, bucket: SMALL}, limits: {max_object_size: 10, max_keys: 1}}
          - {name: large, store: {type: jetstream, bucket: LARGE}}
        """.write(to: file, atomically: true, encoding: .utf8)
        let component = try await Program.Component(["--config", file.path])
        var options = NATSOptions()
        options.urls = [server.url]
        let connection = try await NATSConnection.connect(options)
        let small = RemoteStore(connection, instance: "small")
        let large = RemoteStore(connection, instance: "large")
        let body = ObjectBody("more than ten bytes")
        await #expect { try await small.put("k", body) } throws: { ($0 as? StorageError)?.kind == .tooLarge }
        try await large.put("k", body)
        await #expect { try await small.info("k") } throws: { ($0 as? StorageError)?.kind == .notFound }
        for key in ["a", "b"] as [ObjectKey] { try await small.put(key, ObjectBody("few")) }
        #expect(try await small.list(ListQuery()) == ListPage(keys: ["a"], next: "a"))
        #expect(try await large.list(ListQuery()).keys == ["k"])
        await connection.close()
        #expect(await component.stop() == 0)
    }
}
