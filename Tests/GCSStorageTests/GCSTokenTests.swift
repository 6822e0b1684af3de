import Foundation
import GCSStorage
import Storage
import Synchronization
import TestSupport
import Testing

@Suite struct GCSTokenTests {
    /// A key pair; the server knows its public half.
    private struct Account {
        let json: String
        let pem: String

        init(_ server: GCSServer) async throws {
            let folder = server.process.folder
            pem = try await Self.openssl(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
            let file = folder.appending(path: "key.pem")
            try pem.write(to: file, atomically: true, encoding: .utf8)
            let publicKey = try await Self.openssl(["pkey", "-in", file.path, "-pubout"])
            try await server.control("_key", Array(publicKey.utf8))
            let fields = ["client_email": "name@project", "private_key": pem, "token_uri": server.url + "/_token"]
            json = String(decoding: try JSONSerialization.data(withJSONObject: fields), as: UTF8.self)
        }

        private static func openssl(_ arguments: [String]) async throws -> String {
            let program = "import subprocess, sys; print(subprocess.check_output(sys.argv[1:], text=True, stderr=-3))"
            return try await python(program, ["openssl"] + arguments)
        }
    }

    @Test func aServiceAccountSigns() async throws {
        let server = try await GCSServer()
        let account = try await Account(server)
        let file = server.process.folder.appending(path: "account.json")
        try account.json.write(to: file, atomically: true, encoding: .utf8)
        let store = try await server.open(environment: ["GOOGLE_APPLICATION_CREDENTIALS": file.path])
        // In parts, whose requests go to a URL that the server made.
        try await store.put("key", ObjectBody(bytes(3_000_000)))
        let key = try ServiceAccountKey(json: account.json)
        let other = try await server.open(environment: ["A": ""]) { $0.credentials = .key(key) }
        #expect(try await other.bytes("key") == bytes(3_000_000))
        #expect(try await server.state().tokens == 2)
        let refused = await #expect(throws: StorageError.self) { try await server.open() }
        #expect(refused?.kind == .internal && refused?.errorClass == .fatal)
        // Signed by another key than the server knows.
        _ = try await Account(server)
        let foreign = await #expect(throws: StorageError.self) {
            try await server.open(environment: ["A": ""]) { $0.credentials = .key(key) }
        }
        #expect(foreign?.errorClass == .fatal && foreign?.message.contains("name@project") == true)
    }

    @Test func theMachineIsAsked() async throws {
        let server = try await GCSServer()
        let environment = ["GCE_METADATA_HOST": "127.0.0.1:\(server.process.port)"]
        try await server.fail(["kind": "status", "status": 503, "match": "computeMetadata", "times": 2])
        let store = try await server.open(environment: environment)
        try await store.put("key", ObjectBody("x"))
        #expect(try await server.state().tokens == 1)
        try await server.fail(["kind": "status", "status": 404, "match": "computeMetadata", "times": 100])
        let nobody = await #expect(throws: StorageError.self) { try await server.open(environment: environment) }
        #expect(nobody?.kind == .unavailable && nobody?.errorClass == .fatal)
    }

    @Test func aTokenThatIsRefusedIsFetchedAnewOnce() async throws {
        let server = try await GCSServer()
        let store = try await server.open(environment: ["GCE_METADATA_HOST": "127.0.0.1:\(server.process.port)"])
        try await store.put("key", ObjectBody("x"))
        try await server.control("_expire")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<16 { group.addTask { _ = try await store.bytes("key") } }
            try await group.waitForAll()
        }
        #expect(try await server.state().tokens == 2)
        // In the middle of an upload, too.
        let content = bytes(3_000_000)
        let next = Mutex(0)
        let body = ObjectBody(size: nil) { () async throws(StorageError) in
            let start = next.withLock { next in
                defer { next += 100_000 }
                return next
            }
            if start == 2_500_000 { try? await server.control("_expire") }
            return start < content.count ? Array(content[start..<start + 100_000]) : nil
        }
        try await store.put("large", body)
        #expect(try await store.bytes("large") == content)
        #expect(try await server.state().tokens == 3)
    }

    @Test func secretsAreNotPrinted() async throws {
        let server = try await GCSServer()
        let account = try await Account(server)
        let secret = String(account.pem.split(separator: "\n")[3])
        let key = try ServiceAccountKey(json: account.json)
        var dumped = ""
        dump(key, to: &dumped)
        var configuration = GCSConfiguration(bucket: "b")
        configuration.credentials = .key(key)
        dump(configuration, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped, "\(configuration)"] {
            #expect(!text.contains(secret) && text.contains("name@project"))
        }
        let broken = account.json.replacingOccurrences(of: "BEGIN PRIVATE", with: "BEGIN BROKEN")
        let invalid = #expect(throws: StorageError.self) { try ServiceAccountKey(json: broken) }
        #expect(invalid?.kind == .invalid && invalid.map { !"\($0)".contains(secret) } == true)
        let store = try await server.open(environment: ["A": ""]) { $0.credentials = .key(key) }
        try await server.fail(["kind": "status", "status": 403, "times": 100])
        let error = await #expect(throws: StorageError.self) { try await store.put("key", ObjectBody("x")) }
        #expect(error.map { !String(reflecting: $0).contains("token-") } == true)
        let missing = await #expect(throws: StorageError.self) {
            try await server.open(environment: ["GOOGLE_APPLICATION_CREDENTIALS": "/nowhere"])
        }
        #expect(missing?.kind == .invalid)
    }
}
