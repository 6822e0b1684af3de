package import Foundation

/// The program as its users have it: commands that end, and the component as a process.
package enum Program {
    // Beside the test runner, where the package's build puts every program.
    package static var url: URL { Bundle.main.bundleURL.appendingPathComponent("nats-storage") }

    /// Runs a command to its end.
    package static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Outcome {
        let process = Process()
        process.executableURL = url
        process.arguments = arguments
        process.environment = environment
        return try await process.outcome()
    }

    /// A component of its own process, ended with its owner.
    package final class Component: Sendable {
        private let process: Process
        private let log: URL

        /// Starts it and waits until it serves; what it says goes to a file.
        package init(_ arguments: [String], environment: [String: String] = [:]) async throws {
            log = FileManager.default.temporaryDirectory.appendingPathComponent("component-\(UUID().uuidString)")
            _ = FileManager.default.createFile(atPath: log.path, contents: nil)
            let handle = try FileHandle(forWritingTo: log)
            process = Process()
            process.executableURL = Program.url
            process.arguments = ["serve"] + arguments
            process.environment = environment
            process.standardOutput = handle
            process.standardError = handle
            try process.run()
            let failure = "the component does not serve"
            try await eventually("\(failure): \(said)") { said.contains("serving instance") || !process.isRunning }
            guard said.contains("serving instance") else { throw TestFailure("\(failure): \(said)") }
        }

        /// Everything that it has written so far.
        package var said: String { log.text }

        package var pid: Int32 { process.processIdentifier }

        /// Ends it as its users do; its exit status.
        package func stop() async -> Int32 {
            process.terminate()
            await process.finish()
            return process.terminationStatus
        }

        deinit {
            if process.isRunning { Glibc.kill(process.processIdentifier, SIGKILL) }
            try? FileManager.default.removeItem(at: log)
        }
    }
}
