import Foundation
import GCSStorage
import HTTP
import Storage
import StorageConformance
import Synchronization
import TestSupport
import Testing

/// The server beside this file: its preconditions are as documented, which no emulator's are.
struct GCSServer {
    struct State: Decodable {
        var sessions: Int
        var objects: Int
    }

    let process: ServerProcess
    private let http: HTTPClient

    init() async throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "server.py").path
        process = try await ServerProcess(try ServerProcess.tool("python")) { port, _ in [script, String(port)] }
        http = try HTTPClient()
    }

    var url: String { "http://127.0.0.1:\(process.port)" }

    func open(
        environment: [String: String] = [:], _ adjust: (inout GCSConfiguration) -> Void = { _ in }
    ) async throws -> GCSStore {
        var configuration = GCSConfiguration(bucket: "bucket")
        configuration.endpoint = url
        configuration.createInProject = "project"
        configuration.partSize = 1 << 20
        configuration.http.stallTimeout = .seconds(1)
        if environment.isEmpty { configuration.credentials = .anonymous }
        adjust(&configuration)
        return try await GCSStore.open(configuration, environment: environment)
    }

    func fail(_ faults: [String: any Sendable]...) async throws {
        let body = try JSONSerialization.data(withJSONObject: faults.map { ["times": 1].merging($0) { $1 } })
        _ = try await http.send(HTTPRequest(.put, url + "/_faults", body: .bytes(Array(body))))
    }

    func state() async throws -> State {
        let response = try await http.send(HTTPRequest(.get, url + "/_state"))
        return try JSONDecoder().decode(State.self, from: Data(try await response.body.collect(upTo: 1 << 20)))
    }
}

@Suite struct GCSStoreTests {
    @Test func theSuite() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        let results = await ConformanceSuite.run(on: store)
        #expect(!results.isEmpty)
        for result in results { #expect(!result.isFailure, "\(result.name): \(result.complaint ?? "")") }
        #expect(try await server.state().sessions == 0)
        await store.shutdown()
        for result in await ConformanceSuite.runShutdown(open: { try await server.open() }) {
            #expect(!result.isFailure, "\(result.name): \(result.complaint ?? "")")
        }
    }

    @Test func uploadsGoOnWhereTheyBroke() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        let content = bytes(5_000_001)
        try await server.fail(
            ["kind": "half", "method": "PUT"], ["kind": "reset", "method": "PUT"],
            ["kind": "status", "status": 503, "method": "PUT"], ["kind": "status", "status": 429])
        try await store.put("key", ObjectBody(content))
        #expect(try await store.bytes("key") == content)
        try await server.fail(["kind": "status", "status": 400, "method": "PUT"])
        await #expect(throws: StorageError.self) { try await store.put("other", ObjectBody(content)) }
        let state = try await server.state()
        #expect(state.sessions == 0 && state.objects == 1)
    }

    @Test func ownWritesAreRecognized() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        try await server.fail(["kind": "lost", "method": "POST"])
        let created = try await store.put("key", ObjectBody("1"), options: PutOptions(precondition: .absent))
        #expect(try await store.info("key").version == created.version)
        try await server.fail(["kind": "lost", "method": "POST"])
        let swap = PutOptions(precondition: .matches(created.version))
        let swapped = try await store.put("key", ObjectBody("2"), options: swap)
        #expect(try await store.info("key").version == swapped.version)
    }

    @Test func brokenBodiesGoOn() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        let content = bytes(3_000_000)
        try await store.put("key", ObjectBody(content))
        let cut: [String: any Sendable] = ["kind": "truncate", "after": 500_000, "match": "alt=media", "times": 3]
        try await server.fail(cut)
        #expect(try await store.bytes("key") == content)
        try await server.fail(cut.merging(["times": 1]) { $1 })
        let object = try await store.get("key")
        try await store.put("key", ObjectBody("another"))
        await #expect { try await object.body.collect(upTo: 1 << 24) } throws: {
            ($0 as? StorageError)?.kind == .unavailable
        }
    }

    @Test func tokensOfAServiceAccountAndOfAMachine() async throws {
        let server = try await GCSServer()
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let pem = folder.appending(path: "key.pem").path
        let openssl = Process()
        openssl.executableURL = URL(filePath: "/usr/bin/openssl")
        openssl.arguments = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", pem]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        let account = [
            "client_email": "a@b", "private_key": try String(contentsOfFile: pem, encoding: .utf8),
            "token_uri": server.url + "/_token",
        ]
        let file = folder.appending(path: "account.json")
        try JSONSerialization.data(withJSONObject: account).write(to: file)
        let store = try await server.open(environment: ["GOOGLE_APPLICATION_CREDENTIALS": file.path])
        try await store.put("key", ObjectBody(bytes(3_000_000)))
        let machine = try await server.open(environment: ["GCE_METADATA_HOST": "127.0.0.1:\(server.process.port)"])
        #expect(try await machine.bytes("key") == bytes(3_000_000))
        let refused = await #expect(throws: StorageError.self) { try await server.open() }
        #expect(refused?.kind == .internal && refused?.errorClass == .fatal)
        let missing = await #expect(throws: StorageError.self) {
            try await server.open(environment: ["A": ""]) { $0.credentials = .file("/nowhere") }
        }
        #expect(missing?.kind == .invalid)
    }
}
