import ArgumentParser
import Foundation
import Storage
import StorageConfiguration
import StorageConformance
import StorageService

/// Puts the store of a configuration to the conformance suite.
struct VerifyStore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify-store",
        abstract: "Proves that a configured store keeps its contract.",
        discussion: """
            Opens the store of one instance, without serving it, and runs every case of the conformance suite beneath \
            random keys, which it deletes again; what else is stored there is left alone. Of what a store says it can't \
            do the refusal is asserted. The exit status is 1 where any case failed.
            """)

    @Option(help: "The configuration file (YAML).") var config: String
    @Option(help: "The instance whose store it is; the only one needs no name.") var instance: String?
    @Option(help: "The NATS server's URL; otherwise the file's.") var server: String?
    @Option(parsing: .upToNextOption, help: "Only the cases whose names begin so, such as list or keys/of-1024-bytes.")
    var only: [String] = []
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let configuration = try Configuration(file: config, server: server)
        let store = try configuration.store(of: instance, namedBy: "with --instance")
        let results = try await withConnections(configuration.nats) { control, bulk in
            try await verify { try await store.open(control: control, bulk: bulk, logger: .ofCommands) }
        }
        guard !results.isEmpty else { throw StorageError(.invalid, "no case's name begins with what --only says") }
        if json { try printJSON(results) } else { print(Self.summary(results)) }
        let failures = results.filter(\.isFailure).count
        guard failures == 0 else { throw StorageError(.internal, "\(failures) of \(results.count) cases failed") }
    }

    private func verify(_ open: () async throws -> any Store) async throws -> [CaseResult] {
        let store = try await open()
        let report: (CaseResult) -> Void = { if !json { Self.show($0) } }
        return try await closing(store) {
            let results = await ConformanceSuite.run(on: store, only: only, report: report)
            return results + (await ConformanceSuite.runShutdown(only: only, report: report, open: open))
        }
    }

    private static func show(_ result: CaseResult) {
        let (word, complaint) = result.words
        let padded = word.padding(toLength: 8, withPad: " ", startingAt: 0)
        print("\(padded) \(String(format: "%8.1f", result.milliseconds)) ms  \(result.name)")
        if let complaint { print("         \(complaint)") }
        fflush(nil)
    }

    private static func summary(_ results: [CaseResult]) -> String {
        let counts = Dictionary(grouping: results, by: \.words.word).mapValues(\.count)
        return ["passed", "refused", "failed"].map { "\(counts[$0] ?? 0) \($0)" }.joined(separator: ", ")
    }

    private func printJSON(_ results: [CaseResult]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .withoutEscapingSlashes, .sortedKeys]
        print(String(decoding: try encoder.encode(results.map(Line.init)), as: UTF8.self))
    }

    private struct Line: Encodable {
        let name: String
        let outcome: String
        let milliseconds: Double
        let message: String?

        init(_ result: CaseResult) {
            name = result.name
            (outcome, message) = result.words
            milliseconds = result.milliseconds
        }
    }
}

extension CaseResult {
    fileprivate var words: (word: String, complaint: String?) {
        switch outcome {
        case .passed: ("passed", nil)
        case .refused: ("refused", nil)
        case .failed(let complaint): ("failed", complaint)
        }
    }

    fileprivate var milliseconds: Double { (duration / .milliseconds(1) * 10).rounded() / 10 }
}
