import Foundation
import NATS
import TestSupport
import Testing

@Suite struct SecurityTests {
    @Test(arguments: ServerFlavor.allCases)
    func token(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor, configuration: "authorization { token: secret }")
        await expect(.authorization) { _ = try await connect(server) { $0.credentials = .token("wrong") } }
        let connection = try await connect(server) { $0.credentials = .token("secret") }
        try await connection.flush()
        await connection.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func nkey(_ flavor: ServerFlavor) async throws {
        // The seed and public key of a user made for this test.
        let seed = "SUAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB6IC5CQ"
        let user = try NKeyFile(seed)
        let server = try await NATSServer(
            flavor, configuration: "authorization { users: [{nkey: \(try NKey.publicKey(seedFile: user.path))}] }")
        await expect(.authorization) { _ = try await connect(server) }
        let connection = try await connect(server) { $0.credentials = .nkey(seedFile: user.path) }
        try await connection.flush()
        await connection.close()
        let none = try NKeyFile("SUAnonsense")
        await expect(.invalidArgument) { _ = try await connect(server) { $0.credentials = .nkey(seedFile: none.path) } }
    }

    private struct NKeyFile {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path

        init(_ seed: String) throws {
            try seed.write(toFile: path, atomically: true, encoding: .utf8)
        }
    }

    @Test(arguments: ServerFlavor.allCases)
    func tlsWithClientCertificate(_ flavor: ServerFlavor) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try makeCertificates(in: folder)
        let server = try await NATSServer(
            flavor,
            configuration: """
                tls { cert_file: "\(folder.path)/server.pem", key_file: "\(folder.path)/server.key",
                      ca_file: "\(folder.path)/ca.pem", verify: true }
                """)
        var tls = NATSOptions.TLS()
        tls.ca = folder.path + "/ca.pem"
        let withoutCertificate = tls
        await #expect(throws: NATSError.self) { _ = try await connect(server) { $0.tls = withoutCertificate } }
        tls.certificate = folder.path + "/client.pem"
        tls.key = folder.path + "/client.key"
        let whole = tls
        let connection = try await connect(server) { $0.tls = whole }
        try await connection.flush()
        await connection.close()
    }

    private func makeCertificates(in folder: URL) throws {
        let script = """
            set -e
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem
            printf 'subjectAltName=IP:127.0.0.1' > san
            for name in server client; do
                openssl req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout $name.key -out $name.csr
                openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out $name.pem
            done
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script]
        process.currentDirectoryURL = folder
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw TestFailure("openssl could not make certificates") }
    }
}
