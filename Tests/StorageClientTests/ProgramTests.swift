import Foundation
import NATS
import Storage
import StorageClient
import TestSupport
import Testing

/// The program as its users have it: the component as a process, clients beside it.
@Suite struct ProgramTests {
    private func run(
        _ arguments: [String], url: String, environment: [String: String] = [:]
    ) async throws -> Outcome {
        try await Program.run(arguments, environment: environment.merging(["NATS_URL": url]) { $1 })
    }

    /// Starts the component and waits until it serves.
    private func serve(
        _ arguments: [String], url: String, environment: [String: String] = [:]
    ) async throws -> Process {
        let process = Process()
        process.executableURL = Program.url
        process.arguments = ["serve"] + arguments
        process.environment = environment.merging(["NATS_URL": url]) { $1 }
        let output = Pipe()
        process.standardOutput = output
        // Where the log is JSON it says so there.
        process.standardError = output
        try process.run()
        let reader = output.fileHandleForReading
        var said = ""
        while !said.contains("serving instance") {
            let data = await withCheckedContinuation { continuation in
                DispatchQueue.global().async { continuation.resume(returning: reader.availableData) }
            }
            guard !data.isEmpty else { throw TestFailure("the component ended: \(said)") }
            said += String(decoding: data, as: UTF8.self)
        }
        reader.readabilityHandler = { file in
            if file.availableData.isEmpty { file.readabilityHandler = nil }
        }
        return process
    }

    @Test(arguments: ServerFlavor.allCases)
    func filesGoThroughAndComeBack(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let component = try await serve([], url: server.url)
        let folder = server.folder
        let source = folder.appendingPathComponent("source")
        let copy = folder.appendingPathComponent("copy")
        for count in [0, 1, 600_000, 1 << 20, 20_000_001] {
            let content = Data(bytes(count))
            try content.write(to: source)
            let put = try await run(["put", "dir/key \(count)", source.path], url: server.url)
            #expect(put.status == 0, "\(put.complaints)")
            let get = try await run(["get", "dir/key \(count)", "-o", copy.path], url: server.url)
            #expect(get.status == 0, "\(get.complaints)")
            #expect(try Data(contentsOf: copy) == content)
        }
        let list = try await run(["ls", "dir/"], url: server.url)
        #expect(list.output.split(separator: "\n").count == 5)
        let info = try await run(["info", "dir/key 1", "--json"], url: server.url)
        #expect(info.output.contains(#""size":1,"#))
        #expect(
            try await run(["rm", "dir/key 1", "none"], url: server.url).output == "deleted dir/key 1\nnothing at none\n"
        )
        let missing = try await run(["get", "dir/key 1"], url: server.url)
        #expect(missing.status == 1 && missing.complaints.contains("no object “dir/key 1”"))
        #expect(try await run(["get"], url: server.url).status == 2)
        #expect(try await run(["put", "a//b", source.path], url: server.url).status == 1)
        #expect(try await run(["put", "k", "/no/such/file"], url: server.url).status == 1)
        component.terminate()
        await finished(component)
        #expect(component.terminationReason == .exit && component.terminationStatus == 0)
        let nobody = try await run(["ls"], url: server.url)
        #expect(nobody.status == 1 && nobody.complaints.contains("is it running"))
    }

    @Test(arguments: [
        "memory", "jetstream", "file", "sqlite", "blocks", "s3", "gcs", "cached", "throttled", "encrypted", "faulty",
        "tiered-s3", "tiered-jetstream", "operations",
    ])
    func readyConfigurationsStart(_ name: String) async throws {
        let server = try await NATSServer(.newest)
        var environment = [
            "STORAGE_KEY": String(repeating: "5e", count: 32), "FILE_STORE_PATH": server.folder.path + "/objects",
            "SQLITE_STORE_PATH": server.folder.path + "/store.db", "HTTP_LISTEN": "127.0.0.1:0",
        ]
        var bucket: ServerProcess?
        if name.hasSuffix("s3") {
            let process = try await ServerProcess(try ServerProcess.tool("moto_server")) { port, _ in
                ["-H", "127.0.0.1", "-p", String(port)]
            }
            let s3 = [
                "S3_BUCKET": "objects", "S3_ENDPOINT": "http://127.0.0.1:\(process.port)", "S3_CREATE": "true",
                "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            ]
            environment.merge(s3) { $1 }
            bucket = process
        }
        if name == "gcs" {
            let process = try await ServerProcess.fakeGCS()
            environment = [
                "GCS_BUCKET": "objects", "GCS_ENDPOINT": "http://127.0.0.1:\(process.port)", "GCS_ANONYMOUS": "true",
                "GCS_CREATE": "true",
            ]
            bucket = process
        }
        defer { withExtendedLifetime(bucket) {} }
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../config/\(name).yaml")
        let component = try await serve(["--config", file.path], url: server.url, environment: environment)
        var options = NATSOptions()
        options.urls = [server.url]
        let connection = try await NATSConnection.connect(options)
        let store = RemoteStore(connection)
        let key = try ObjectKey(validating: "k")
        let info = try await store.put(key, ObjectBody("x"), options: PutOptions(precondition: .absent))
        await #expect {
            try await store.put(key, ObjectBody("y"), options: PutOptions(precondition: .absent))
        } throws: {
            ($0 as? StorageError)?.currentVersion == info.version
        }
        #expect(try await store.bytes(key) == Array("x".utf8))
        await connection.close()
        component.terminate()
        await finished(component)
        #expect(component.terminationStatus == 0)
    }

    @Test func aConfiguredStoreIsVerified() async throws {
        let server = try await NATSServer(.newest)
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../config")
        let file = folder.appending(path: "memory.yaml").path
        let all = try await run(["verify-store", "--config", file], url: server.url)
        #expect(all.status == 0, "\(all.complaints)")
        let lines = all.output.split(separator: "\n")
        #expect(lines.count > 80 && lines.dropLast().allSatisfy { $0.hasPrefix("passed ") }, "\(all.output)")
        #expect(lines.last == "\(lines.count - 1) passed, 0 refused, 0 failed")
        let some = try await run(
            ["verify-store", "--config", file, "--only", "digests/", "shutdown/twice", "--json"], url: server.url)
        let results = try JSONSerialization.jsonObject(with: Data(some.output.utf8)) as? [[String: Any]]
        #expect(results?.map { $0["name"] as? String }.last == "shutdown/twice-is-harmless" && results?.count == 3)
        #expect(results?.allSatisfy { $0["outcome"] as? String == "passed" } == true)
        let nothing = try await run(["verify-store", "--config", file, "--only", "nothing"], url: server.url)
        #expect(nothing.status == 1 && nothing.complaints.contains("--only"))
        let nobody = try await run(["verify-store", "--config", file, "--instance", "other"], url: server.url)
        #expect(nobody.status == 1 && nobody.complaints.contains("objectstore"))
    }

    @Test func aConfiguredBlockStoreIsVerified() async throws {
        let server = try await NATSServer(.newest)
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../config")
        let verified = try await run(
            ["verify-store", "--config", folder.appending(path: "blocks.yaml").path, "--json"], url: server.url,
            environment: ["FILE_STORE_PATH": server.folder.path + "/blocks"])
        let results = try JSONSerialization.jsonObject(with: Data(verified.output.utf8)) as? [[String: Any]] ?? []
        let others = results.filter { $0["outcome"] as? String != "passed" }
        // The longest keys leave no room for the layer's own part.
        #expect(results.count > 80 && others.map { $0["name"] as? String } == ["keys/of-1024-bytes"], "\(others)")
    }

    @Test func whatAStoreDoesNotKeepIsTold() async throws {
        let server = try await NATSServer(.newest)
        let file = server.folder.appendingPathComponent("small.yaml")
        let yaml = "instances: [{store: {type: memory, max_bytes: 100KiB, when_full: refuse}}]"
        try (yaml + "\nnats: {url: \"${NATS_URL}\"}").write(to: file, atomically: true, encoding: .utf8)
        let arguments = ["verify-store", "--config", file.path, "--only", "streaming/"]
        let found = try await run(arguments, url: server.url)
        #expect(found.status == 1 && found.complaints.contains("cases failed"), "\(found.complaints)")
        #expect(found.output.contains("failed ") && found.output.contains("limit of 102400"), "\(found.output)")
    }

    @Test func configurationsAreCheckedAndDescribed() async throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../config")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
        #expect(names.count >= 8)
        let environment = ["STORAGE_KEY": String(repeating: "5e", count: 32), "S3_BUCKET": "abc", "GCS_BUCKET": "abc"]
        for name in names {
            let checked = try await run(
                ["config", "check", folder.appending(path: name).path], url: "nats://host:1", environment: environment)
            #expect(checked.status == 0 && checked.output.contains("type: "), "\(name): \(checked.complaints)")
            #expect(!checked.output.contains("5e5e"))
        }
        let missing = try await run(
            ["config", "check", folder.appending(path: "encrypted.yaml").path], url: "nats://host:1")
        #expect(
            missing.status == 1
                && missing.complaints.contains("encrypt.keys.2026: the environment variable STORAGE_KEY"))
        let schema = try await run(["config", "schema"], url: "nats://host:1")
        #expect(schema.status == 0)
        let file = FileManager.default.temporaryDirectory.appending(path: "schema-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: file) }
        try schema.output.write(to: file, atomically: true, encoding: .utf8)
        _ = try await python(Self.validation, [file.path, folder.path])
    }

    /// Every configuration is valid by the schema, and what is wrong is not.
    private static let validation = """
        import glob, json, sys, jsonschema, yaml
        schema = json.load(open(sys.argv[1]))
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        for name in glob.glob(sys.argv[2] + "/*.yaml"):
            errors = [error.message for error in validator.iter_errors(yaml.safe_load(open(name)))]
            assert not errors, (name, errors)
        def store(**keys): return {"instances": [{"store": dict(type="memory", **keys)}]}
        def layers(*layers): return store(layers=list(layers))
        for good in [store(max_bytes="1GiB", max_entries=5), layers("cache", {"retry": {"max_attempts": 3}}, "readonly"),
                     layers({"faults": {"operations": ["put"], "error": "throttled"}}), layers({"cache": {"ttl": "${TTL}"}})]:
            assert validator.is_valid(good), good
        for bad in [{}, {"instances": [{}]}, store(bucket="b"), store(max_bytes="1XB"), store(max_entries=0), layers("tape"),
                    layers("encrypt"), layers({"cache": {"ttl": "soon"}}), layers({"cache": {"strategy": "magic"}}),
                    layers({"cache": {}, "retry": {}}), layers({"prefix": {}}), {"instances": [], "other": 1}]:
            assert not validator.is_valid(bad), bad
        """

    private func finished(_ process: Process) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                process.waitUntilExit()
                continuation.resume()
            }
        }
    }

    private func options(_ server: NATSServer) -> NATSOptions {
        var options = NATSOptions()
        options.urls = [server.url]
        return options
    }

    @Test(arguments: ServerFlavor.allCases)
    func bucketsAreCleanedAndVerified(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let component = try await serve(["--bucket", "B"], url: server.url)
        defer { component.terminate() }
        let connection = try await NATSConnection.connect(options(server))
        let store = RemoteStore(connection)
        try await store.put("whole", ObjectBody("whole"))
        try await store.put("damaged", ObjectBody("damaged"))
        let stream = JetStream(connection)
        _ = try await stream.publish("$O.B.C.LEFTBEHIND", payload: [1])
        #expect(try await run(["verify", "B"], url: server.url).output == "2 objects checked, 0 damaged\n")
        let dry = try await run(["gc", "B", "--grace", "0", "--dry-run", "--json"], url: server.url)
        #expect(dry.output.contains(#""orphans":1"#) && dry.output.contains(#""removed":0"#), "\(dry)")
        let cleaned = try await run(["gc", "B", "--grace", "0"], url: server.url)
        #expect(cleaned.output == "1 puts left 1 chunks; 1 removed, 0 too young\n", "\(cleaned)")
        try await stream.deleteMessage("OBJ_B", sequence: 3)
        let verified = try await run(["verify", "B"], url: server.url)
        #expect(verified.status == 1 && verified.output.contains("2 objects checked, 1 damaged"), "\(verified)")
        #expect(verified.output.contains("damaged: ") && verified.complaints.contains("1 of 2 objects"))
        let missing = try await run(["verify", "NONE"], url: server.url)
        #expect(missing.status == 1 && missing.complaints.contains("NONE"), "\(missing)")
        await connection.close()
    }
}
