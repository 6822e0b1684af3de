import Foundation
import Testing

/// The program that changes a store from a process of its own, under a tracer if need be.
enum WriterProgram {
    struct Result: Sendable {
        let output: String
        /// The signal that ended it, if any.
        let signal: Int32?
        let complaints: String

        /// What it said of its change: `done`, `failed …`, or nothing.
        var outcome: String { output.split(separator: "\n").last { $0 != "begin" }.map(String.init) ?? "" }
    }

    // Beside the test runner, where the package's build puts every program.
    static var path: String { Bundle.main.bundleURL.appendingPathComponent("file-store-writer").path }

    static func run(_ arguments: [String], tracer: [String] = []) async throws -> Result {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["SWIFT_BACKTRACE=enable=no"] + tracer + [path] + arguments
        let (output, complaints) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = complaints
        try process.run()
        return await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                let text = output.fileHandleForReading.readDataToEndOfFile()
                let error = complaints.fileHandleForReading.readDataToEndOfFile()
                process.waitUntilExit()
                let signal = process.terminationReason == .uncaughtSignal ? process.terminationStatus : nil
                continuation.resume(
                    returning: Result(
                        output: String(decoding: text, as: UTF8.self), signal: signal,
                        complaints: String(decoding: error, as: UTF8.self)))
            }
        }
    }
}

/// A system call of a traced change that touches the store's folder.
struct TracedCall: Sendable, CustomStringConvertible {
    let name: String
    /// Which one of this name it is in its thread, from 1: how the tracer's injections count.
    let number: Int
    let thread: String
    let line: String

    var description: String { "\(name) \(number)" }

    /// The calls between the writer's two marks, in order.
    ///
    /// Those of other threads than the store's are left out: they close what is no longer needed, at any time.
    static func parse(_ trace: String, touching folder: String) throws -> [TracedCall] {
        var counts: [String: [String: Int]] = [:]
        var calls: [TracedCall] = []
        var isInside = false
        for line in trace.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
            guard parts.count == 2, let end = parts[1].firstIndex(of: "("), !parts[1].contains("<... ") else {
                continue
            }
            let thread = String(parts[0])
            let name = String(parts[1][..<end].drop { $0 == " " })
            let number = counts[name]?[thread].map { $0 + 1 } ?? 1
            counts[name, default: [:]][thread] = number
            if line.contains("\"begin\\n\"") { isInside = true }
            if line.contains("\"done\\n\"") { isInside = false }
            guard isInside, line.contains(folder) else { continue }
            calls.append(TracedCall(name: name, number: number, thread: thread, line: String(line)))
        }
        let thread = calls.first { $0.name != "close" }?.thread
        calls.removeAll { $0.name == "close" && $0.thread != thread }
        // A fault meets the call of that number in whichever thread: there must be one such thread.
        for call in calls {
            let others = counts[call.name]?.filter { $0.key != call.thread && $0.value >= call.number } ?? [:]
            try #require(others.isEmpty, "another thread makes \(call) too")
        }
        return calls
    }
}

extension WriterProgram {
    /// The calls that a change makes, by running it once.
    static func trace(_ arguments: [String], in folder: Folder) async throws -> [TracedCall] {
        let file = folder.path + "-trace"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let result = try await run(
            arguments, tracer: ["strace", "-f", "-y", "-qq", "-o", file, "-e", "trace=%file,%desc"])
        #expect(result.outcome == "done", "\(result)")
        return try TracedCall.parse(try String(contentsOfFile: file, encoding: .utf8), touching: folder.path)
    }

    /// Runs a change with something happening to one of its calls; nil where the tracer did not meet the call.
    static func run(
        _ arguments: [String], injecting fault: String, at call: TracedCall, in folder: Folder
    ) async throws -> Result? {
        let file = folder.path + "-trace"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let injection = "inject=\(call.name):\(fault):when=\(call.number)"
        let tracer = ["strace", "-f", "-qq", "-o", file, "-e", "trace=\(call.name)", "-e", injection]
        let result = try await run(arguments, tracer: tracer)
        let trace = try String(contentsOfFile: file, encoding: .utf8)
        return result.signal == SIGKILL || trace.contains("(INJECTED)") ? result : nil
    }
}
