import Foundation
import TestSupport
import Testing

/// Secrets planted in every place that takes one, and everything that the program says searched for them.
@Suite struct SecretTests {
    /// In base64 as well, where a key has to be.
    private static let key = Data("planted-planted-planted-planted-".utf8)
    private static let marks = ["planted", String(key.base64EncodedString().prefix(12)), "cGxhbnRl"]

    private func expectNothing(in text: String, _ what: String, at location: SourceLocation = #_sourceLocation) {
        for mark in Self.marks { #expect(!text.contains(mark), "\(what): \(text)", sourceLocation: location) }
    }

    /// All settings that take a secret, in one file.
    private static let all = """
        nats: {url: ["nats://planted-user:planted-password@127.0.0.1:1", "planted-token@127.0.0.1:1"]}
        log: {level: trace}
        instances:
          - name: a
            store:
              type: s3
              bucket: objects
              endpoint: "http://planted-user:planted-password@127.0.0.1:1"
              proxy: "http://planted-user:planted-password@127.0.0.1:1"
              access_key_id: planted-id
              secret_access_key: planted-secret
              session_token: planted-session
            layers: [{encrypt: {keys: {one: "\(key.base64EncodedString())"}}}]
        """

    @Test func checkingAConfigurationTellsNone() async throws {
        let folder = try Folder()
        for (name, yaml) in [
            ("all", Self.all),
            ("user", "nats: {user: someone, password: planted-password}\ninstances: [{store: {type: memory}}]"),
            ("token", "nats: {token: planted-token}\ninstances: [{store: {type: memory}}]"),
            ("variable", "nats: {token: \"${TOKEN}\"}\ninstances: [{store: {type: memory}}]"),
            (
                "file",
                "nats: {token: {file: \(try folder.write("planted-token", "secret"))}}\ninstances: [{store: {type: memory}}]"
            ),
        ] {
            let file = try folder.write(yaml, name)
            let checked = try await Program.run(["config", "check", file], environment: ["TOKEN": "planted-token"])
            #expect(checked.status == 0 && checked.output.contains("(hidden)"), "\(name): \(checked)")
            expectNothing(in: checked.output + checked.complaints, name)
        }
    }

    @Test func mistakesInAConfigurationTellNone() async throws {
        let folder = try Folder()
        let memory = "instances: [{store: {type: memory}}]"
        for yaml in [
            "nats: {password: \"planted-password}\n\(memory)", "nats: {token: [planted-token]}\n\(memory)",
            "nats:\n  token: planted-token\n   password: planted-password\n\(memory)",
            "nats: {token: planted-token, user: someone, password: planted-password}\n\(memory)",
            "nats: {user: someone}\n\(memory)", "nats: {tls: {certificate: c.pem}}\n\(memory)",
            "nats: {token: a, token: planted-token}\n\(memory)",
            "instances: [{store: {type: memory}, layers: [{encrypt: {keys: {one: planted-short}}}]}]",
            "instances: [{store: {type: s3, bucket: abc, access_key_id: planted-id}}]",
            "instances: [{store: {type: gcs, bucket: abc, credentials: \"{planted\"}}]",
        ] {
            let outcome = try await Program.run(["config", "check", try folder.write(yaml, "wrong")])
            #expect(outcome.status == 1 && !outcome.complaints.isEmpty, "\(yaml): \(outcome)")
            expectNothing(in: outcome.output + outcome.complaints, yaml)
        }
    }

    @Test func aComponentThatFailsTellsNone() async throws {
        let folder = try Folder()
        let server = try await NATSServer(.newest, configuration: "authorization { token: right }")
        let address = "planted-user:planted-password@127.0.0.1:\(server.port)"
        let refused = try await Program.run(["serve", "--config", try folder.write(Self.all, "all")])
        #expect(refused.status == 1)
        expectNothing(in: refused.output + refused.complaints, "serve")
        for arguments in [
            ["serve", "--server", "nats://\(address)"], ["ls", "--server", "nats://\(address)"],
            ["ls", "--server", address], ["copy", "nats://\(address)/a", "nats://\(address)/b"],
            ["verify", "B", "--server", "tls://\(address)"],
        ] {
            let outcome = try await Program.run(arguments)
            #expect(outcome.status == 1 && !outcome.complaints.isEmpty, "\(arguments): \(outcome)")
            expectNothing(in: outcome.output + outcome.complaints, "\(arguments)")
        }
    }

    @Test func aComponentThatRunsTellsNone() async throws {
        let folder = try Folder()
        let server = try await NATSServer(
            .newest, configuration: "authorization { user: planted-user, password: planted-password }")
        let bucket = try await ServerProcess(try ServerProcess.tool("moto_server")) { port, _ in
            ["-H", "127.0.0.1", "-p", String(port)]
        }
        let yaml = """
            nats: {url: "nats://planted-user:planted-password@127.0.0.1:\(server.port)"}
            log: {level: trace}
            instances:
              - store: {type: memory}
                layers: [{encrypt: {keys: {one: "\(Self.key.base64EncodedString())"}}}]
              - {name: s3, store: {type: s3, bucket: objects, region: us-east-1, create: true, endpoint: "http://127.0.0.1:\(bucket.port)",
                 access_key_id: planted-id, secret_access_key: planted-secret, session_token: planted-session}}
            """
        let component = try await Program.Component(["--config", try folder.write(yaml, "all")])
        bucket.kill()
        let url = ["--server", "nats://planted-user:planted-password@127.0.0.1:\(server.port)"]
        for command in [
            ["put", "k", "/etc/hostname"], ["get", "k"], ["get", "none"], ["put", "k", "/etc/hostname"],
        ] {
            for instance in ["objectstore", "s3"] {
                let patience = instance == "objectstore" ? "30" : "1"
                let outcome = try await Program.run(command + url + ["--instance", instance, "--timeout", patience])
                #expect((outcome.status == 0) == (instance == "objectstore" && command[1] == "k"), "\(outcome)")
                expectNothing(in: outcome.output + outcome.complaints, "\(command) \(instance)")
            }
        }
        server.kill()
        try await server.start()
        #expect(await component.stop() == 0)
        #expect(component.said.contains("NATS connection"))
        expectNothing(in: component.said, "the log")
    }
}
