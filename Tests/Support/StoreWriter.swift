package import Foundation
package import Storage
import Synchronization

/// The program that changes a store from a process of its own, under a tracer if need be.
package enum StoreWriter {
    package struct Result: Sendable {
        let run: Outcome

        /// The signal that ended it, if any.
        package var signal: Int32? { run.signal }
        package var output: String { run.output }
        package var complaints: String { run.complaints }
        /// What it said of its change: `done`, `failed …`, or nothing.
        package var outcome: String { output.split(separator: "\n").last { $0 != "begin" }.map(String.init) ?? "" }
    }

    // Beside the test runner, where the package's build puts every program.
    private static var path: String { Bundle.main.bundleURL.appendingPathComponent("store-writer").path }

    /// Runs it with a file system of its own of so many MiB in its folder, which ends with it.
    package static func run(_ arguments: [String], onMebibytes size: Int) async throws -> Result {
        let mount = """
            mount -t tmpfs -o size=\(size)m tmpfs "$0" || { echo "a small disk takes root or user namespaces" >&2; exit 1; }
            exec "$@"
            """
        try FileManager.default.createDirectory(atPath: arguments[1], withIntermediateDirectories: true)
        return try await run(arguments, tracer: Namespaces.own("--mount") + ["sh", "-c", mount, arguments[1]])
    }

    /// Runs it under a tracer, and finds for each of `folders` whether it was made and its parent synced after that.
    package static func syncsNewFolders(_ folders: [URL], _ arguments: [String]) async throws -> [Bool] {
        let log = FileManager.default.temporaryDirectory.appending(path: "trace-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: log) }
        let tracer = ["strace", "-f", "-y", "-qq", "-o", log.path, "-e", "trace=mkdir,mkdirat,fsync"]
        let result = try await run(arguments, tracer: tracer)
        guard result.outcome == "done" else { throw TestFailure("the writer failed: \(result)") }
        let lines = try String(contentsOf: log, encoding: .utf8).split(separator: "\n")
        return folders.map { folder in
            let parent = folder.deletingLastPathComponent().path
            let made = lines.firstIndex { $0.contains("mkdir") && $0.contains("\"\(folder.path)\"") }
            let synced = lines.lastIndex { $0.contains("fsync(") && $0.contains("<\(parent)>") }
            guard let made, let synced else { return false }
            return made < synced
        }
    }

    /// What takes the right to write everywhere from a program that root runs.
    package static var withoutPrivilege: [String] {
        geteuid() == 0 ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"] : []
    }

    /// Runs it to its end.
    package static func run(_ arguments: [String], tracer: [String] = []) async throws -> Result {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["SWIFT_BACKTRACE=enable=no"] + tracer + [path] + arguments
        return Result(run: try await process.outcome())
    }
}

extension StoreWriter {
    /// Runs two that race in one store, and opens it after them.
    ///
    /// - Throws: where one tells of a torn read or an error, or the counters hold other sums than both have added.
    package static func race<Opened: Store>(
        _ arguments: [String], in open: () async throws -> Opened
    ) async throws -> Opened {
        async let one = run(arguments)
        async let other = run(arguments)
        var (increments, counted) = (0, 0)
        for result in [try await one, try await other] {
            let lines = result.output.split(separator: "\n")
            guard lines.count == 1, result.signal == nil else { throw TestFailure("a writer ended so: \(result)") }
            increments += Int(lines[0].dropFirst("increments ".count)) ?? 0
        }
        let store = try await open()
        for try await key in store.keys(ListQuery(prefix: "counters/")) {
            counted += Int(String(decoding: try await store.bytes(key), as: UTF8.self)) ?? 0
        }
        guard counted == increments, increments > 0 else {
            throw TestFailure("of \(increments) increments \(counted) are there")
        }
        return store
    }
}

/// A system call of a traced change that touches the store's folder.
package struct TracedCall: Sendable, CustomStringConvertible {
    package let name: String
    /// Which one of this name it is in its thread, from 1: how the tracer's injections count.
    package let number: Int
    /// As the tracer wrote it.
    package let line: String
    let thread: String

    package var description: String { "\(name) \(number)" }

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
            calls.append(TracedCall(name: name, number: number, line: String(line), thread: thread))
        }
        let thread = calls.first { $0.name != "close" }?.thread
        calls.removeAll { $0.name == "close" && $0.thread != thread }
        // A fault meets the call of that number in whichever thread: there must be one such thread.
        for call in calls {
            let others = counts[call.name]?.filter { $0.key != call.thread && $0.value >= call.number } ?? [:]
            if !others.isEmpty { throw TestFailure("another thread makes \(call) too") }
        }
        return calls
    }
}

extension StoreWriter {
    private static let known = Mutex<[[String]: [TracedCall]]>([:])

    /// The calls that a change makes, by running it once, on what `prepare` makes anew; remembered for the next time.
    package static func trace(_ change: [String], prepare: () async throws -> URL) async throws -> [TracedCall] {
        if let calls = known.withLock({ $0[change] }) { return calls }
        let folder = try await prepare()
        let file = folder.path + "-trace"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let tracer = ["strace", "-f", "-y", "-qq", "-o", file, "-e", "trace=%file,%desc"]
        let result = try await run(located(change, in: folder), tracer: tracer)
        guard result.outcome == "done" else { throw TestFailure("the traced change failed: \(result)") }
        let calls = try TracedCall.parse(try String(contentsOfFile: file, encoding: .utf8), touching: folder.path)
        known.withLock { $0[change] = calls }
        return calls
    }

    /// Runs a change with a fault at one of its calls; nil where the tracer did not meet the call.
    package static func run(
        _ change: [String], in folder: URL, injecting fault: String, at call: TracedCall
    ) async throws -> Result? {
        let file = folder.path + "-trace"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let injection = "inject=\(call.name):\(fault):when=\(call.number)"
        let tracer = ["strace", "-f", "-qq", "-o", file, "-e", "trace=\(call.name)", "-e", injection]
        let result = try await run(located(change, in: folder), tracer: tracer)
        let trace = try String(contentsOfFile: file, encoding: .utf8)
        return result.signal == SIGKILL || trace.contains("(INJECTED)") ? result : nil
    }

    /// A change names its kind of store first; its folder goes second.
    package static func located(_ change: [String], in folder: URL) -> [String] {
        [change[0], folder.path] + change.dropFirst()
    }
}

/// Runs `body` for each element, a few at a time.
package func forEach<Element: Sendable>(
    _ elements: [Element], atOnce: Int = 3, _ body: @escaping @Sendable (Element) async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for (index, element) in elements.enumerated() {
            if index >= atOnce { try await group.next() }
            group.addTask { try await body(element) }
        }
        try await group.waitForAll()
    }
}
