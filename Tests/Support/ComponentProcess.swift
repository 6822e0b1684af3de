import Foundation
import Synchronization

/// The program as a process of its own, ended with its owner, or with the test process.
package final class ComponentProcess: Sendable {
    private struct Running: Sendable {
        let shell: Process
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

    /// Starts it, again after it has ended.
    package func start() async throws {
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        // Beside the test runner, where the package's build puts every program.
        let program = Bundle.main.bundleURL.appendingPathComponent("nats-storage").path
        // A second shell waits on a pipe that ends with this process, however it ends; the program goes then.
        let script = #"""
            exec 3<&0; "$@" </dev/null 3<&- & pid=$!; echo $pid
            (cat <&3 >/dev/null; kill -9 $pid 2>/dev/null) & watcher=$!
            wait $pid; status=$?; kill $watcher; exit $status
            """#
        shell.arguments = ["-c", script, "sh", program, "serve", "--config", configuration.path]
        shell.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let output = Pipe()
        shell.standardInput = Pipe()
        shell.standardOutput = output
        shell.standardError = FileHandle(forWritingAtPath: log) ?? FileHandle.nullDevice
        try shell.run()
        let text = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                var text = ""
                while !text.contains("serving"), case let data = output.fileHandleForReading.availableData,
                    !data.isEmpty
                {
                    text += String(decoding: data, as: UTF8.self)
                }
                continuation.resume(returning: text)
            }
        }
        guard let pid = text.split(separator: "\n").first.flatMap({ Int32($0) }), text.contains("serving") else {
            throw TestFailure("the component does not start")
        }
        running.withLock { $0 = Running(shell: shell, pid: pid) }
    }

    private var log: String { ProcessInfo.processInfo.environment["COMPONENT_LOG"] ?? "/dev/null" }

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
        return await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                ended.shell.waitUntilExit()
                continuation.resume(returning: ended.shell.terminationStatus)
            }
        }
    }
}
