public import ArgumentParser
import Foundation
import Storage
public import StorageSnapshot

struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Writes a store's objects to a file, and back.",
        discussion: StoreLocation.help, subcommands: [Export.self, Import.self, Diff.self])

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes a store's objects as JSON Lines.",
            discussion: """
                Each object is whole; the snapshot as a whole is of no single moment. A file appears when it is whole.

                \(StoreLocation.help)
                """)

        @Argument(help: "The store.") var store: StoreLocation
        @Option(name: .shortAndLong, help: "The file to write; - for standard output.") var output = "-"
        @Option(help: "Only keys that begin so.") var prefix = ""
        @Flag(help: "Keys and metadata without the objects' bytes.") var metadataOnly = false
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            var export = Snapshot.Export()
            export.prefix = prefix
            export.includesData = !metadataOnly
            let statistics = try await FileSink.with(output) { sink in
                try await store.withStore(connection) { store in
                    var counter = Counter()
                    return try await Snapshot.export(store, export) {
                        counter.show($0.objects, $0.bytes)
                    } to: { (bytes) async throws(StorageError) in
                        try await sink.write(bytes)
                    }
                }
            }
            complain("\(statistics.objects) objects, \(statistics.bytes) bytes exported")
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stores the objects of a snapshot, each verified against its digest.",
            discussion: """
                An import that was interrupted goes on with --existing keep.

                \(StoreLocation.help)
                """)

        @Argument(help: "The store.") var store: StoreLocation
        @Argument(help: "The snapshot; - for standard input.") var file = "-"
        @Option(help: "What happens to objects that are there: replace or keep.")
        var existing = Snapshot.Import.Existing.replace
        @Flag(help: "Store objects for ever that expire.") var dropExpiry = false
        @Flag(help: "Only check the snapshot, and tell what would be stored.") var dryRun = false
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let file = try FileBody(file)
            var options = Snapshot.Import()
            options.existing = existing
            options.dropsExpiry = dropExpiry
            options.isDryRun = dryRun
            let result = try await store.withStore(connection) { store in
                var counter = Counter()
                return try await Snapshot.load(try await file.body(), into: store, options) {
                    counter.show($0.stored, $0.bytes)
                }
            }
            StatusLine.clear()
            if json { return printJSON(result) }
            print(
                "\(result.stored) objects, \(result.bytes) bytes \(dryRun ? "would be " : "")imported; "
                    + "\(result.kept) kept, \(result.expired) expired")
        }
    }

    struct Diff: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tells how two snapshots or stores differ.",
            discussion: """
                One line for each key: - only in the first, + only in the second, ~ of other bytes, m of other metadata, \
                ? of the same size, but without a digest. The exit status is 1 where any differ.

                \(StoreLocation.help) Any other file is a snapshot.
                """)

        @Argument(help: "The first: a snapshot or a store.") var first: String
        @Argument(help: "The second.") var second: String
        @Option(help: "Only keys that begin so.") var prefix = ""
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            var (differences, count) = (0, 0)
            try await withList(first) { first in
                try await withList(second) { second in
                    try await Difference.compare(first, second) { (difference) in
                        count += 1
                        guard let (mark, key) = Self.mark(difference) else { return }
                        differences += 1
                        print(mark, key)
                    }
                }
            }
            guard differences == 0 else {
                throw StorageError(.invalid, "\(differences) of \(count) keys differ")
            }
        }

        private func withList(_ name: String, _ body: (InfoList) async throws -> Void) async throws {
            if try Self.isSnapshot(name) {
                let reader = SnapshotReader(try await FileBody(name).body())
                _ = try await reader.header()
                return try await body(InfoList(reader, prefix: prefix))
            }
            guard let location = StoreLocation(argument: name) else {
                throw StorageError(.invalid, "“\(name)” names no store")
            }
            try await location.withStore(connection) { try await body(InfoList($0, prefix: prefix)) }
        }

        /// Standard input, and every file that begins as a snapshot does.
        private static func isSnapshot(_ name: String) throws -> Bool {
            guard name != "-" else { return true }
            guard let file = FileHandle(forReadingAtPath: name) else { return false }
            defer { file.closeFile() }
            return try file.read(upToCount: 12) == Data("{\"snapshot\":".utf8)
        }

        private static func mark(_ difference: Difference) -> (String, ObjectKey)? {
            switch difference {
            case .onlyLeft(let info): ("-", info.key)
            case .onlyRight(let info): ("+", info.key)
            case .content(let info, _): ("~", info.key)
            case .attributes(let info, _): ("m", info.key)
            case .unknown(let info, _): ("?", info.key)
            case .same: nil
            }
        }
    }
}

extension Snapshot.Import.Existing: ExpressibleByArgument {}
