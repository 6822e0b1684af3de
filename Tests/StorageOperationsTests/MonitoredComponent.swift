import Foundation
import NATS
import TestSupport

/// The component as a process with an HTTP port, and a NATS server of its own.
final class MonitoredComponent: Sendable {
    let server: NATSServer
    let port: Int
    let folder: URL
    private let process: Process

    /// What it says goes to one file.
    ///
    /// - Parameter tool: what runs it; nobody, where that is empty.
    init(
        http: String = "", instances: String = "instances: [{name: t, store: {type: memory}}]", more: String = "",
        listen: String = "127.0.0.1", server known: NATSServer? = nil, tool: [String] = []
    ) async throws {
        if let known { server = known } else { server = try await NATSServer(.newest) }
        port = try NATSServer.freePort()
        folder = server.folder
        process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = tool + [Program.url.path, "serve", "--config", file.path]
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        let output = try FileHandle(forWritingTo: log)
        process.standardError = output
        process.standardOutput = output
        try write(http: http, instances: instances, more: more, listen: listen)
        try process.run()
        try await eventually("the component does not serve: \(try logText())") {
            try logText().contains("serving instance") || !process.isRunning
        }
        guard process.isRunning else { throw TestFailure("the component ended: \(try logText())") }
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    private var file: URL { folder.appendingPathComponent("component-\(port).yaml") }
    private var log: URL { folder.appendingPathComponent("component-\(port).log") }

    /// Writes the configuration file, again for a reload.
    func write(
        http: String = "", instances: String = "instances: [{name: t, store: {type: memory}}]", more: String = "",
        listen: String = "127.0.0.1"
    ) throws {
        let text = """
            nats: {url: "\(server.url)"}
            http: {listen: "\(listen):\(port)"\(http)}
            \(instances)
            \(more)
            """
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    func logText() throws -> String { try String(contentsOf: log, encoding: .utf8) }

    /// Returns once the log holds `text`.
    func logged(_ text: String) async throws {
        try await eventually("the log does not say “\(text)”: \(try logText().suffix(2000))") {
            try logText().contains(text)
        }
    }

    func signal(_ signal: Int32) { kill(process.processIdentifier, signal) }

    var isRunning: Bool { process.isRunning }

    /// Stops it as an operator would, and waits.
    func stop() async throws -> Int32 {
        signal(SIGTERM)
        try await eventually("the component does not end") { !process.isRunning }
        return process.terminationStatus
    }

    func connect() async throws -> NATSConnection {
        var options = NATSOptions()
        options.urls = [server.url]
        return try await NATSConnection.connect(options)
    }

    func get(_ path: String, host: String = "127.0.0.1") async throws -> WebAnswer {
        let answer = try await WebClient(port).exchange("GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\r\n")
        return try WebAnswer(answer)
    }

    func metrics() async throws -> PrometheusText {
        let answer = try await get("/metrics")
        guard answer.status == 200, answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8" else {
            throw TestFailure("no metrics: \(answer)")
        }
        return try PrometheusText(answer.body)
    }
}

/// The processes that serve a configuration file.
func components(of file: String) throws -> [Int32] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { pid in
        let arguments = try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)
        return arguments?.hasPrefix(Program.url.path) == true && arguments?.contains(file) == true
    }
}
