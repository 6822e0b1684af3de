import Crypto
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

    @Test(arguments: ServerFlavor.allCases)
    func credentialsFile(_ flavor: ServerFlavor) async throws {
        let (operatorKey, account, user) = (Identity(.operator), Identity(.account), Identity(.user))
        let operatorToken = try operatorKey.sign(operatorKey, type: "operator")
        let accountToken = try operatorKey.sign(account, type: "account")
        let server = try await NATSServer(
            flavor, jetStream: false,
            configuration: """
                operator: \(operatorToken)
                resolver: MEMORY
                resolver_preload: { \(account.publicKey): \(accountToken) }
                """)
        await expect(.authorization) { _ = try await connect(server) }
        let file = try NKeyFile(
            """
            -----BEGIN NATS USER JWT-----
            \(try account.sign(user, type: "user"))
            ------END NATS USER JWT------

            -----BEGIN USER NKEY SEED-----
            \(user.seed)
            ------END USER NKEY SEED------
            """)
        let connection = try await connect(server) { $0.credentials = .credentialsFile(file.path) }
        try await connection.flush()
        await connection.close()
        let stranger = Identity(.account)
        let forged = try NKeyFile(
            """
            -----BEGIN NATS USER JWT-----
            \(try stranger.sign(user, type: "user"))
            ------END NATS USER JWT------

            -----BEGIN USER NKEY SEED-----
            \(user.seed)
            ------END USER NKEY SEED------
            """)
        await expect(.authorization) {
            _ = try await connect(server) { $0.credentials = .credentialsFile(forged.path) }
        }
    }

    @Test func aCertificateNeedsItsKey() async throws {
        var tls = NATSOptions.TLS()
        tls.certificate = "/dev/null"
        let options = tls
        let server = try await NATSServer(.newest)
        await expect(.invalidArgument) { _ = try await connect(server) { $0.tls = options } }
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
