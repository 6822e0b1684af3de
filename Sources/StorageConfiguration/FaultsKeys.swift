import Storage
import StorageLayers

/// The keys of a `faults` layer.
struct FaultsKeys: Sendable {
    var faults = Faults()

    static let section = Section<FaultsKeys>(
        "Makes a store slow and unreliable, to find out what its users make of that.",
        [
            Setting("latency", .duration(), "How long every operation waits.", initial: { $0.faults.latency.written }) {
                $1.faults.latency = try $0.duration()
            },
            .integer("fail_every", \.faults.failEvery, in: 1...Int.max, "Every nth operation fails."),
            .number("fail_probability", \.faults.failProbability, in: 0...1, "How likely each operation is to fail."),
            Setting("seed", .integer(0...Int.max), "Where the chances come from.", initial: { String($0.faults.seed) })
            {
                $1.faults.seed = UInt64(try $0.integer(in: 0...Int.max))
            },
            Setting(
                "error", .choice(kinds.map(\.0)), "What is thrown.", initial: { $0.faults.error.kind.rawValue }
            ) {
                $1.faults.error = StorageError(try $0.choice(kinds), "this failure was injected")
            },
            .choice(
                "moment", \.faults.moment, [("before", .before), ("after", .after)],
                "Whether that is before the operation happens, or after it has."),
            Setting(
                "operations", .list(.choice(operations.map(\.0))), "Which operations may fail; without it, all."
            ) {
                $1.faults.operations = Set(try $0.elements().map { try $0.choice(operations) })
            },
            Setting("cut_after", .size(0...Int.max), "Bodies that are read break after so many bytes.") {
                $1.faults.cut = .failing(after: try $0.size(in: 0...Int.max))
            },
        ])

    private static let kinds = StorageError.Kind.allCases.map { ($0.rawValue, $0) }

    private static let operations: [(String, StorageError.Operation)] = [
        StorageError.Operation.put, .get, .info, .list, .delete, .setMetadata,
    ].map { ($0.rawValue, $0) }
}
