package import Foundation
import Synchronization

/// The servers that the tests run against: the oldest and the newest that are supported.
package enum ServerFlavor: String, CaseIterable, Sendable {
    case debian, newest

    /// The server's program.
    ///
    /// - Throws: where it is not installed: a missing server is a failure.
    package func path() throws -> String {
        switch self {
        case .debian:
            return try ["/usr/sbin/nats-server", "/usr/bin/nats-server"]
                .first { FileManager.default.isExecutableFile(atPath: $0) }.orThrow("nats-server is not installed")
        case .newest:
            return try ProcessInfo.processInfo.environment["NATS_SERVER_NEWEST"]
                .orThrow("NATS_SERVER_NEWEST does not name the newest nats-server; run deploy/test.sh")
        }
    }
}

/// What keeps a test from running.
package struct TestFailure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

extension Optional {
    package func orThrow(_ message: String) throws -> Wrapped {
        guard let self else { throw TestFailure(message) }
        return self
    }
}

/// A real server on a port of its own, ended with the test, or with the test process.
package final class NATSServer: Sendable {
    package let port: Int
    package let folder: URL
    private let program: String
    private let arguments: [String]
    // `nonisolated(unsafe)`: one test owns the server and starts or kills it from one task at a time.
    private nonisolated(unsafe) var process: Process?

    /// Starts a server with JetStream, `options` in its block, and `configuration` beside the defaults.
    package init(
        _ flavor: ServerFlavor, jetStream: Bool = true, options: String = "", configuration: String = ""
    ) async throws {
        program = try flavor.path()
        port = try Self.freePort()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("nats-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appendingPathComponent("server.conf")
        let text = """
            host: 127.0.0.1
            port: \(port)
            \(jetStream ? "jetstream { store_dir: \"\(folder.path)\" \(options) }" : "")
            \(configuration)
            """
        try text.write(to: file, atomically: true, encoding: .utf8)
        arguments = ["-c", file.path, "-P", folder.appendingPathComponent("pid").path, "-l", folder.path + "/log"]
        try await start()
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    package var url: String { "nats://127.0.0.1:\(port)" }

    /// Starts it, again after ``kill()``, with the same port and data.
    package func start() async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        // The shell waits on a pipe that ends with this process, however it ends; the server goes then. Its port is free
        // when the shell has ended.
        let script = #""$@" & cat >/dev/null; kill -9 $! 2>/dev/null; wait $! 2>/dev/null"#
        process.arguments = ["-c", script, "sh", program] + arguments
        process.standardInput = Pipe()
        try process.run()
        self.process = process
        let log = folder.appendingPathComponent("log")
        try await eventually("\(program) does not answer on port \(port): \(log.text)") { Self.answers(port) }
    }

    /// Ends it at once, as a power failure would.
    package func kill() {
        signal(SIGKILL)
        (process?.standardInput as? Pipe)?.fileHandleForWriting.closeFile()
        process?.waitUntilExit()
        process = nil
    }

    /// Sends a signal to the server.
    package func signal(_ signal: Int32) {
        if let pid { _ = Glibc.kill(pid, signal) }
    }

    /// Makes it stand still until `SIGCONT`: its threads stop one after the other, when this returns all of them have.
    package func pause() async throws {
        signal(SIGSTOP)
        let tasks = "/proc/\(try pid.orThrow("the server does not run"))/task"
        try await eventually("the server goes on") {
            try FileManager.default.contentsOfDirectory(atPath: tasks).allSatisfy { task in
                // Behind the name, which may hold anything, stands the state; a thread that is gone has none.
                let state = URL(filePath: "\(tasks)/\(task)/stat").text.split(separator: ")").last?.dropFirst().first
                return state == nil || state == "T"
            }
        }
    }

    private var pid: Int32? {
        Int32(folder.appendingPathComponent("pid").text.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// Below those that the system gives to outgoing connections, and never one twice.
    private static let nextPort = Atomic(Int.random(in: 10_000..<25_000))

    package static func freePort() throws -> Int {
        for _ in 0..<1000 {
            let port = nextPort.wrappingAdd(1, ordering: .relaxed).oldValue
            if try withSocket(port, { socket, address, size in bind(socket, address, size) == 0 }) { return port }
        }
        throw TestFailure("no free port")
    }

    package static func answers(_ port: Int) -> Bool {
        (try? withSocket(port) { socket, address, size in connect(socket, address, size) == 0 }) ?? false
    }

    /// A new socket and the address of `port` on this machine.
    private static func withSocket(
        _ port: Int, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) throws -> Bool {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { throw TestFailure("no socket") }
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = UInt16(port).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                body(socket, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
