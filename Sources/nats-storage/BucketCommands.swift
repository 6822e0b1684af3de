import ArgumentParser
import Foundation
import JetStreamStorage
import Logging
import NATS
import Storage

/// What commands take that work on a bucket itself, without a component.
struct BucketOptions: ParsableArguments {
    @Argument(help: "The bucket.") var bucket: String
    @Option(help: "The NATS server's URL, or several with commas; otherwise NATS_URL, or nats://127.0.0.1:4222.")
    var server: String?
    @OptionGroup var connection: ConnectionOptions
    @Option(help: "The JetStream domain.") var domain: String?
    @Flag(help: "Print JSON.") var json = false

    /// Runs a command on the bucket, which has to exist.
    func withBucket(_ body: (JetStreamStore) async throws -> Void) async throws {
        var configuration = BucketConfiguration(name: bucket)
        configuration.create = false
        configuration.domain = domain
        var options = NATSOptions()
        options.urls = NATSOptions.servers(server)
        connection.apply(to: &options)
        try await withConnections(options) { control, bulk in
            let store = try await JetStreamStore.open(
                configuration, control: control, bulk: bulk, logger: Logger(label: "nats-storage"))
            try await closing(store) { try await body(store) }
        }
    }
}

struct Clean: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Removes chunks that no object of a bucket refers to.",
        discussion: "Writers that were killed leave them. The component does it by itself, once an hour.")

    @OptionGroup var options: BucketOptions
    @Flag(help: "Only tell what would be removed.") var dryRun = false
    @Option(help: "How many seconds old the newest chunk must be.") var grace = 3600.0

    func validate() throws {
        guard grace >= 0, grace <= 3_155_760_000 else { throw ValidationError("--grace is not a number of seconds") }
    }

    func run() async throws {
        try await options.withBucket { store in
            let report = try await store.removeOrphans(
                olderThan: .milliseconds(Int64(grace * 1000)), dryRun: dryRun)
            if options.json {
                return print(String(decoding: try JSONEncoder().encode(report), as: UTF8.self))
            }
            print(
                "\(report.orphans) puts left \(report.chunks) chunks; \(report.removed) removed, \(report.young) too young"
            )
        }
    }
}

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reads every object of a bucket again and checks it against its digest.",
        discussion: "Exits with 1 where an object is damaged, or a link leads nowhere.")

    @OptionGroup var options: BucketOptions

    func run() async throws {
        try await options.withBucket { store in
            var progress = Progress(total: try await store.status().size)
            var (count, damaged) = (0, [Damage]())
            // What was found is told, whatever keeps it from going on.
            defer {
                progress.finish()
                report(count, damaged)
            }
            try await store.verify {
                count += 1
                progress.advance(by: $0.size)
            } found: {
                damaged.append($0)
            }
            guard damaged.isEmpty else {
                throw StorageError(.internal, "\(damaged.count) of \(count) objects are damaged")
            }
        }
    }

    private func report(_ count: Int, _ damaged: [Damage]) {
        if options.json {
            let keys = damaged.map(\.key.rawValue)
            let result: [String: Any] = ["checked": count, "damaged": keys]
            guard let data = try? JSONSerialization.data(withJSONObject: result, options: .sortedKeys) else { return }
            return print(String(decoding: data, as: UTF8.self))
        }
        for damage in damaged { print("\(damage.key): \(damage.error)") }
        print("\(count) objects checked, \(damaged.count) damaged")
    }
}
