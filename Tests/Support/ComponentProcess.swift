import Foundation
import Synchronization

/// The program as a process of its own, ended with its owner, or with the test process.
package final class ComponentProcess: Sendable {
    private struct Running: Sendable {
        let shell: Process
        let lines: AsyncStream<String>
        let pid: Int32
    }

    private let configuration: URL
    private let environment: [String: String]
    private let running = Mutex<Running?>(nil)

    /// Starts the component with a configuration file of this text, and waits until it serves.
    package init(_ yaml: String, environment: [String: String] = [:]) async throws {
        self.environment = environment
        configuration = FileManager.default.temporaryDirectory.appendingPathComponent("component-\(UUID().uuidString)")
        try yaml.write(to: configuration, atomically: true, encoding: .utf8)
        try await start()
    }

    deinit {
        signal(SIGKILL)
        try? FileManager.default.removeItem(at: configuration)
    }

    /// Tells its process and how it ended. The outer shell waits on a pipe that ends with the test process, however that
    /// ends; the program goes then.
    private static let script = #"""
        (sh -c 'echo $$ >"$0"; echo "pid $$"; exec "$@"' "$0" "$@" </dev/null; echo "exit $?"; rm -f "$0") &
        cat >/dev/null
        kill -9 $(cat "$0" 2>/dev/null) 2>/dev/null
        """#

    /// Starts it, again after it has ended.
    package func start() async throws {
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = [
            "-c", Self.script, "\(configuration.path)-\(UUID().uuidString)", Program.url.path, "serve", "--config",
            configuration.path,
        ]
        shell.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let output = Pipe()
        shell.standardInput = Pipe()
        shell.standardOutput = output
        if let log = ProcessInfo.processInfo.environment["COMPONENT_LOG"] {
            shell.standardError = FileHandle(forWritingAtPath: log)
        }
        try shell.run()
        let lines = Self.lines(output.fileHandleForReading)
        var pid: Int32?
        for await line in lines {
            if line.hasPrefix("pid ") { pid = Int32(line.dropFirst(4)) }
            if line.hasPrefix("exit ") { throw TestFailure("the component does not start: \(line)") }
            if line.hasPrefix("serving ") { break }
        }
        let started = try pid.orThrow("the component does not start")
        running.withLock { $0 = Running(shell: shell, lines: lines, pid: started) }
    }

    private static func lines(_ file: FileHandle) -> AsyncStream<String> {
        let (lines, feed) = AsyncStream.makeStream(of: String.self)
        Thread.detachNewThread {
            var rest = ""
            while case let data = file.availableData, !data.isEmpty {
                let parts = (rest + String(decoding: data, as: UTF8.self)).split(
                    separator: "\n", omittingEmptySubsequences: false)
                for line in parts.dropLast() { feed.yield(String(line)) }
                rest = String(parts.last ?? "")
            }
            feed.finish()
        }
        return lines
    }

    package func signal(_ signal: Int32) {
        if let running = running.withLock({ $0 }) { _ = Glibc.kill(running.pid, signal) }
    }

    /// Ends it at once.
    package func kill() async {
        signal(SIGKILL)
        await wait()
    }

    /// Waits for its end, which somebody asked for; its exit status.
    @discardableResult
    package func wait() async -> Int32 {
        guard let ended = running.withLock({ $0.take() }) else { return -1 }
        for await line in ended.lines where line.hasPrefix("exit ") {
            (ended.shell.standardInput as? Pipe)?.fileHandleForWriting.closeFile()
            return Int32(line.dropFirst(5)) ?? -1
        }
        return -1
    }
}
