import Foundation
import Logging
import S3Storage
import Storage
import Synchronization
import TestSupport

/// The servers that the store is put to the test with. Where they differ from S3, ``differences`` says how.
enum S3Flavor: String, CaseIterable, Sendable, CustomStringConvertible {
    /// Conditions, large objects, an order of its own.
    case seaweed
    /// Python, the order and the errors of AWS; few things are checked.
    case moto
    /// Files; no condition is honoured.
    case rclone
    /// OpenStack Swift behind its S3 gateway: of several creations that overlap all are done.
    case openstack

    var description: String { rawValue }
}

/// A bucket of its own on a server with one key pair, which is started once for all tests.
struct S3Server {
    /// To OpenStack, an account and a user.
    static let accessKey = "test:AKIDTEST"
    static let secretKey = "secret/of+tests"

    private struct Running {
        var servers: [S3Flavor: Task<ServerProcess, any Error>] = [:]
        var buckets = 0
    }

    private static let running = Mutex(Running())

    let flavor: S3Flavor
    let process: ServerProcess
    let bucket: String

    init(_ flavor: S3Flavor) async throws {
        self.flavor = flavor
        let (server, number) = Self.running.withLock { running in
            running.buckets += 1
            let server = running.servers[flavor] ?? Task { try await Self.start(flavor) }
            running.servers[flavor] = server
            return (server, running.buckets)
        }
        bucket = "bucket-\(number)"
        process = try await server.value
    }

    /// It looks at conditions and stores in two steps, which its threads would do across each other.
    private static let moto = """
        import sys, threading
        from moto.s3.responses import S3Response
        from moto.server import main
        lock, answer = threading.RLock(), S3Response._key_response
        def alone(*arguments):
            with lock: return answer(*arguments)
        S3Response._key_response = alone
        main(sys.argv[1:])
        """

    private static func start(_ flavor: S3Flavor) async throws -> ServerProcess {
        switch flavor {
        case .seaweed: try await .seaweed(accessKey: accessKey, secretKey: secretKey)
        case .moto:
            try await ServerProcess(try ServerProcess.tool("python")) { port, _ in
                ["-c", Self.moto, "-H", "127.0.0.1", "-p", String(port)]
            }
        case .rclone:
            try await ServerProcess(try ServerProcess.tool("rclone")) { port, folder in
                let data = folder + "/data"
                try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
                return [
                    "serve", "s3", "--addr", "127.0.0.1:\(port)", "--auth-key",
                    "\(accessKey),\(secretKey)",
                    "--config", folder + "/none", "--vfs-cache-mode", "off", data,
                ]
            }
        case .openstack:
            try await ServerProcess(script: "openstack.py") { port, folder in
                [String(port), folder, accessKey, secretKey]
            }
        }
    }

    var endpoint: String { "http://127.0.0.1:\(process.port)" }

    var configuration: S3Configuration {
        var configuration = S3Configuration(bucket: bucket)
        configuration.endpoint = endpoint
        configuration.retryBase = .milliseconds(40)
        configuration.create = true
        // Many an answer of 500 of rclone means that it can't.
        configuration.maxAttempts = flavor == .rclone ? 2 : 8
        configuration.credentials = .fixed(
            S3Credentials(accessKeyID: Self.accessKey, secretAccessKey: Self.secretKey))
        return configuration
    }

    /// A store on the server, opened anew.
    func open(_ adjust: (inout S3Configuration) -> Void = { _ in }) async throws -> S3Store {
        var configuration = configuration
        adjust(&configuration)
        return try await S3Store.open(configuration, environment: [:], logger: Logger(label: "test"))
    }
}
