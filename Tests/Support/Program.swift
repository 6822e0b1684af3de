package import Foundation

/// The program as its users have it: commands that end, and the component as a process.
package enum Program {
    package struct Outcome: Sendable {
        package let status: Int32
        package let output: String
        package let complaints: String
    }

    // Beside the test runner, where the package's build puts every program.
    private static var url: URL { Bundle.main.bundleURL.appendingPathComponent("nats-storage") }

    /// Runs a command to its end.
    package static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Outcome {
        let process = Process()
        process.executableURL = url
        process.arguments = arguments
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        let (output, complaints) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = complaints
        try process.run()
        async let text = output.text()
        async let errors = complaints.text()
        let (all, wrong) = await (text, errors)
        await process.finish()
        return Outcome(status: process.terminationStatus, output: all, complaints: wrong)
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
            for _ in 0..<500 where process.isRunning && !said.contains("serving instance") {
                try await Task.sleep(for: .milliseconds(20))
            }
            guard said.contains("serving instance") else { throw TestFailure("the component does not serve: \(said)") }
        }

        /// Everything that it has written so far.
        package var said: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

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

extension Pipe {
    fileprivate func text() async -> String {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                let data = self.fileHandleForReading.readDataToEndOfFile()
                continuation.resume(returning: String(decoding: data, as: UTF8.self))
            }
        }
    }
}

extension Process {
    /// Waits for its end, off Swift's threads.
    package func finish() async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                self.waitUntilExit()
                continuation.resume()
            }
        }
    }
}
