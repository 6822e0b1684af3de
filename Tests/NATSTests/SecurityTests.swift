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
        let file = try NKeyFile(user.credentials(try account.sign(user, type: "user")))
        let connection = try await connect(server) { $0.credentials = .credentialsFile(file.path) }
        try await connection.flush()
        await connection.close()
        let stranger = Identity(.account)
        let forged = try NKeyFile(user.credentials(try stranger.sign(user, type: "user")))
        await expect(.authorization) {
            _ = try await connect(server) { $0.credentials = .credentialsFile(forged.path) }
        }
    }

    /// The lists of `deploy/nats/roles.conf`, as those of a user's JWT.
    @Test(arguments: ServerFlavor.allCases, ["READER", "WRITER"])
    func aRoleOfAJWT(_ flavor: ServerFlavor, _ role: String) async throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../deploy/nats/roles.conf")
        let text = try String(contentsOf: file, encoding: .utf8)
        func list(_ name: String) throws -> [String] {
            let block = try text.components(separatedBy: "\(role)_ROLE = {").dropFirst().first.orThrow("no \(role)")
            let list = try block.components(separatedBy: "\(name): [").dropFirst().first.orThrow("no \(name)")
            return list.prefix { $0 != "]" }.split(separator: "\"").map(String.init).filter { $0.contains(".") }
        }
        let (operatorKey, account, user) = (Identity(.operator), Identity(.account), Identity(.user))
        let server = try await NATSServer(
            flavor, jetStream: false,
            configuration: """
                operator: \(try operatorKey.sign(operatorKey, type: "operator"))
                resolver: MEMORY
                resolver_preload: { \(account.publicKey): \(try operatorKey.sign(account, type: "account")) }
                """)
        let token = try account.sign(
            user, type: "user", publish: try list("publish"), subscribe: try list("subscribe"))
        let credentials = try NKeyFile(user.credentials(token))
        let connection = try await connect(server) {
            $0.credentials = .credentialsFile(credentials.path)
            $0.inboxPrefix = "_INBOX_" + role.lowercased()
        }
        await expect(.noResponders) { _ = try await connection.request("storage.objectstore.get") }
        await expect(role == "WRITER" ? .noResponders : .permission) {
            _ = try await connection.request("storage.objectstore.put")
        }
        await expect(.permission) { _ = try await connection.request("storage.objectstore.api") }
        await connection.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func aPasswordInTheURLIsInNoMessage(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(
            flavor, configuration: #"authorization { user: planted-user, password: planted-password }"#)
        let address = "planted-user:planted-password@127.0.0.1"
        let connection = try await connect(server) { $0.urls = ["nats://\(address):\(server.port)"] }
        #expect(connection.connectedURL == server.url)
        await connection.close()
        await expect(.tls) { _ = try await connect(server) { $0.urls = ["tls://\(address):\(server.port)"] } }
        for urls in [
            ["nats://\(address):1"], ["\(address):1"], ["nats://\(address):port"], ["tls://\(address):\(server.port)"],
            ["nats://planted-user:planted-wrong@127.0.0.1:\(server.port)"],
            ["nats://\(address):1", "bad url \(address)"],
        ] {
            await #expect {
                _ = try await connect(server) { $0.urls = urls }
            } throws: {
                ($0 as? NATSError)?.description.contains("planted") == false
            }
        }
    }

    @Test(arguments: ServerFlavor.allCases)
    func repliesComeBeneathThePrefix(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(
            flavor,
            configuration: """
                authorization { users: [
                  {user: a, password: a, permissions: {publish: ">", subscribe: ["_INBOX_a.>", "echo"]}}
                ] }
                """)
        let user = NATSOptions.Credentials.userPassword("a", "a")
        let connection = try await connect(server) {
            $0.credentials = user
            $0.inboxPrefix = "_INBOX_a"
        }
        #expect(connection.newInbox().hasPrefix("_INBOX_a."))
        let echo = try await connection.subscribe("echo")
        let answering = Task {
            // A request whose sender was forbidden to hear the answer may still come while this connection closes.
            for try await message in echo { try? await connection.publish(try #require(message.reply)) }
        }
        #expect(try await connection.request("echo").payload.isEmpty)
        let forbidden = try await connect(server) { $0.credentials = user }
        await expect(.permission) { _ = try await forbidden.request("echo", timeout: .seconds(60)) }
        await expect(.permission) { _ = try await forbidden.request("echo", timeout: .seconds(60)) }
        await forbidden.close()
        await connection.close()
        try await answering.value
        await expect(.invalidArgument) { _ = try await connect(server) { $0.inboxPrefix = "a b" } }
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
                      ca_file: "\(folder.path)/ca.pem", verify: true, timeout: 30 }
                """)
        var tls = NATSOptions.TLS()
        tls.ca = folder.path + "/ca.pem"
        let withoutCertificate = tls
        await #expect(throws: NATSError.self) { _ = try await connect(server) { $0.tls = withoutCertificate } }
        let stranger = NATSOptions.TLS()
        await #expect {
            _ = try await connect(server) { $0.tls = stranger }
        } throws: {
            let error = $0 as? NATSError
            return error?.code == .tls && error?.description.contains("unable to get local issuer certificate") == true
                && error?.isTransient == false
        }
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
