import Foundation
import NATS
import Storage
import StorageClient
import TestSupport
import Testing

/// The users of `deploy/nats/roles.conf` on real servers: each may do what its role needs, and nothing else.
@Suite struct RoleTests {
    static let roles = ["reader", "writer", "monitor", "operator"]

    /// What may be published to, and who may.
    private static let publishing: [(subject: String, roles: Set<String>)] = [
        ("storage.objectstore.get", ["reader", "writer", "operator"]),
        ("storage.objectstore.info", ["reader", "writer", "operator"]),
        ("storage.objectstore.list", ["reader", "writer", "operator"]),
        ("storage.objectstore.put", ["writer", "operator"]),
        ("storage.objectstore.delete", ["writer", "operator"]),
        ("storage.objectstore.upload", ["writer", "operator"]),
        ("storage.objectstore.upload.a.b", ["writer", "operator"]),
        ("storage.objectstore.write", ["writer", "operator"]),
        ("storage.objectstore.api", ["operator"]),
        ("storage.objectstore.events", []),
        ("storage.objectstore.stored", []),
        ("storage.other.get", []),
        ("$SRV.PING.storage-objectstore", ["reader", "writer", "monitor", "operator"]),
        ("$SRV.STATS", ["monitor", "operator"]),
        ("$JS.API.STREAM.INFO.OBJ_OBJECTS", ["operator"]),
        ("$JS.API.STREAM.DELETE.NONE", ["operator"]),
        ("$O.OBJECTS.C.forged", ["operator"]), ("$JS.ACK.NONE.c.1.1.1.1.0", ["operator"]),
        ("_INBOX_reader.forged", []), ("_INBOX_component.forged", []),
    ]

    private static let subscribing: [(subject: String, roles: Set<String>)] = [
        ("storage.objectstore.events", ["monitor", "operator"]),
        ("storage.objectstore.stored", ["reader", "writer", "operator"]),
        ("storage.objectstore.put", []), ("storage.objectstore.>", []), ("$SRV.PING", []), ("$O.OBJECTS.>", []),
        ("_INBOX.>", []), ("_INBOX_component.>", []), (">", []),
        ("_INBOX_reader.own", ["reader"]), ("_INBOX_writer.own", ["writer"]), ("_INBOX_monitor.own", ["monitor"]),
        ("_INBOX_operator.own", ["operator"]),
    ]

    @Test(arguments: ServerFlavor.allCases)
    func eachRoleMayDoWhatItNeedsAndNothingElse(_ flavor: ServerFlavor) async throws {
        let stage = try await Stage(flavor)
        for role in Self.roles {
            let connection = try await stage.connect(role)
            for (subject, roles) in Self.publishing {
                let isAllowed = roles.contains(role)
                #expect(await mayPublish(subject, connection, isAllowed) == isAllowed, "\(role) to \(subject)")
            }
            for (subject, roles) in Self.subscribing {
                let isAllowed = roles.contains(role)
                #expect(try await maySubscribe(subject, connection, isAllowed) == isAllowed, "\(role) on \(subject)")
            }
            await connection.close()
        }
        #expect(await stage.component.stop() == 0)
    }

    /// Whoever is not expected to may wait long for the refusal.
    private func mayPublish(_ subject: String, _ connection: NATSConnection, _ isExpected: Bool) async -> Bool {
        do throws(NATSError) {
            let patience: Duration = isExpected ? .milliseconds(500) : .seconds(60)
            _ = try await connection.request(subject, payload: Array("none".utf8), timeout: patience)
            return true
        } catch {
            return error.code != .permission
        }
    }

    private func maySubscribe(_ subject: String, _ connection: NATSConnection, _ isExpected: Bool) async throws -> Bool
    {
        let subscription = try await connection.subscribe(subject)
        do throws(NATSError) {
            _ = try await subscription.next(timeout: isExpected ? .milliseconds(200) : .seconds(60))
            await subscription.unsubscribe()
            return true
        } catch {
            return error.code != .permission
        }
    }

    @Test(arguments: ServerFlavor.allCases)
    func theComponentAndItsClientsWorkAsTheirRoles(_ flavor: ServerFlavor) async throws {
        let stage = try await Stage(flavor)
        let monitor = try await stage.connect("monitor")
        let events = try await monitor.subscribe("storage.objectstore.events", capacity: 64)
        let (writer, reader) = (try await stage.connect("writer"), try await stage.connect("reader"))
        let writing = try await RemoteStore.discover(writer)
        let reading = try await RemoteStore.discover(reader)
        let large = bytes(3_000_001)
        try await writing.put("large", ObjectBody(large))
        try await writing.put("small", ObjectBody("small"))
        _ = try await writing.put("small", ObjectBody("smaller"), options: PutOptions(timeToLive: .seconds(1)))
        #expect(try await reading.bytes("large") == large)
        #expect(try await reading.list(ListQuery()).keys.first == "large")
        await #expect {
            _ = try await reading.put("mine", ObjectBody("x"))
        } throws: {
            ($0 as? StorageError)?.errorClass == .fatal && "\($0)".lowercased().contains("permissions violation")
        }
        var types: [String] = []
        while !types.contains("expired") {
            let event = try #require(try await events.next(timeout: .seconds(60)), "\(stage.component.said)")
            let object = try JSONSerialization.jsonObject(with: Data(event.payload)) as? [String: Any]
            types.append(try #require(object?["type"] as? String))
        }
        #expect(types.starts(with: ["stored", "stored", "stored"]) && types.contains("retrieved"))
        #expect(try await writing.delete("large"))
        let stats = try await monitor.request("$SRV.STATS.storage-objectstore")
        #expect(String(decoding: stats.payload, as: UTF8.self).contains("num_requests"))
        for connection in [monitor, writer, reader] { await connection.close() }
        #expect(await stage.component.stop() == 0)
        let log = stage.component.said
        #expect(!log.lowercased().contains("permission"), "\(log)")
    }

    @Test(arguments: ServerFlavor.allCases)
    func anOperatorLooksAfterTheBucket(_ flavor: ServerFlavor) async throws {
        let stage = try await Stage(flavor)
        let arguments = ["--server", stage.url("operator"), "--inbox-prefix", "_INBOX_operator"]
        for command in [
            ["put", "k", "/etc/hostname"], ["verify", "OBJECTS"], ["gc", "OBJECTS", "--dry-run"], ["rm", "k"],
        ] {
            let outcome = try await Program.run(command + arguments)
            #expect(outcome.status == 0, "\(command) \(outcome.complaints)")
        }
        let reader = ["--server", stage.url("reader"), "--inbox-prefix", "_INBOX_reader"]
        let refused = try await Program.run(["verify", "OBJECTS"] + reader)
        #expect(refused.status == 1 && refused.complaints.lowercased().contains("permission"), "\(refused.complaints)")
        #expect(await stage.component.stop() == 0)
    }

    /// A snapshot of a stream stops after some megabytes unless its chunks are acknowledged.
    @Test(arguments: ServerFlavor.allCases)
    func anOperatorBacksTheBucketUp(_ flavor: ServerFlavor) async throws {
        let stage = try await Stage(flavor)
        let connection = try await stage.connect("operator")
        // Bytes that no snapshot can make smaller.
        let random = try FileHandle(forReadingAtPath: "/dev/urandom")?.read(upToCount: 12_000_000)
        try await RemoteStore(connection).put("large", ObjectBody([UInt8](random ?? Data())))
        let chunks = try await connection.subscribe("_INBOX_operator.snapshot", capacity: 1024)
        let request = #"{"deliver_subject": "_INBOX_operator.snapshot", "chunk_size": 131072}"#
        _ = try await connection.request("$JS.API.STREAM.SNAPSHOT.OBJ_OBJECTS", payload: Array(request.utf8))
        var size = 0
        while let chunk = try await chunks.next(timeout: .seconds(60)), !chunk.payload.isEmpty {
            size += chunk.payload.count
            if let reply = chunk.reply { try await connection.publish(reply, payload: []) }
        }
        #expect(size > 12_000_000)
        await connection.close()
        #expect(await stage.component.stop() == 0)
    }

    /// With what the file has in comments for it.
    @Test(arguments: ServerFlavor.allCases)
    func aPipelineRunsWithWhatIsLeftToBeAllowed(_ flavor: ServerFlavor) async throws {
        let stage = try await Stage(flavor, hasPipeline: true)
        let sensor = try await stage.connect("sensor")
        let told = try await sensor.subscribe("stored.sensors", capacity: 8)
        let dead = try await sensor.subscribe("dead.sensors", capacity: 8)
        for payload in ["small", "larger than ten bytes"] {
            _ = try await sensor.request("sensors.a", payload: Array(payload.utf8))
        }
        #expect(try await told.next(timeout: .seconds(60)) != nil, "\(stage.component.said)")
        let letter = try await dead.next(timeout: .seconds(60))
        #expect(letter?.headers.first("Storage-Error-Code") == "too_large", "\(stage.component.said)")
        await sensor.close()
        #expect(await stage.component.stop() == 0)
        #expect(!stage.component.said.lowercased().contains("permission"), "\(stage.component.said)")
    }

    /// A server with the roles, and a component as the role of its own.
    private struct Stage {
        let server: NATSServer
        let component: Program.Component

        init(_ flavor: ServerFlavor, hasPipeline: Bool = false) async throws {
            let names = ["component"] + RoleTests.roles
            let passwords = names.map { "\($0.uppercased())_PASSWORD: \"\($0)-password\"" }.joined(separator: "\n")
            var roles = try Deployment.text("nats/roles.conf")
            if hasPipeline {
                roles = roles.replacing(##"    # ""##, with: ##"    ""##)
                    .replacing("users: [", with: "users: [\n{ user: sensor, password: sensor-password }")
            }
            server = try await NATSServer(flavor, configuration: passwords + "\n" + roles)
            if hasPipeline { try await Self.createStreams(server) }
            let file = server.folder.appendingPathComponent("component.yaml")
            try """
            nats: {url: "\(server.url)", user: component, password: component-password, inbox_prefix: _INBOX_component}
            log: {level: info}
            instances: [{store: {type: jetstream, bucket: OBJECTS}\(hasPipeline ? Self.pipeline : "")}]
            """.write(to: file, atomically: true, encoding: .utf8)
            component = try await Program.Component(["--config", file.path])
        }

        private static let pipeline = """
            , limits: {max_object_size: 10}, ports: {
              inputs: [{name: write, type: jetstream, stream: SENSORS, subject: sensors.>, dead_letter: dead.sensors}],
              outputs: [{name: events, type: jetstream, subject: "audit.{type}"},
                {name: stored, type: jetstream, subject: stored.sensors}]}
            """

        private static func createStreams(_ server: NATSServer) async throws {
            let connection = try await connect(server, "operator")
            let streams = JetStream(connection)
            for (name, subjects) in [
                ("SENSORS", ["sensors.>"]), ("DEAD", ["dead.>"]), ("TOLD", ["audit.>", "stored.sensors"]),
            ] {
                _ = try await streams.createStream(StreamConfiguration(name: name, subjects: subjects))
            }
            await connection.close()
        }

        func url(_ role: String) -> String { "nats://\(role):\(role)-password@127.0.0.1:\(server.port)" }

        func connect(_ role: String) async throws -> NATSConnection { try await Self.connect(server, role) }

        private static func connect(_ server: NATSServer, _ role: String) async throws -> NATSConnection {
            var options = NATSOptions()
            options.urls = ["nats://\(role):\(role)-password@127.0.0.1:\(server.port)"]
            options.inboxPrefix = "_INBOX_\(role)"
            return try await NATSConnection.connect(options)
        }
    }
}
