import ArgumentParser
import Foundation
import Logging
import S3Storage
import Storage
import TieredStorage

/// Gets of one object after another: from a memory store, from the hot tier of a tiered store over cold, and from cold
/// itself, in turn; prints one line of JSON for each.
struct TieredBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tiered", abstract: "Compares hot hits of a tiered store with its cold tier.")

    @Option(help: "An S3 endpoint for the cold tier, its keys in the environment; otherwise cold is in memory.")
    var endpoint: String?
    @Option(help: "The bucket, which is made where it is missing.") var bucket = "tiered-bench"
    @Option(help: "The size of each object.") var size = 1024
    @Option(help: "How many objects.") var objects = 1000
    @Option(help: "How many gets from cold.") var cold = 500
    @Option(help: "How many gets from hot, of which a hundred at a time are timed.") var hot = 200_000

    func run() async throws {
        let cold = try await coldStore()
        let keys = try (0..<objects).map { try ObjectKey(validating: "bench/\($0)") }
        let memory = MemoryStore()
        let tiered = TieredStore(hot: .init(MemoryStore()), cold: cold)
        for key in keys {
            let body = ObjectBody([UInt8](repeating: 7, count: size))
            try await memory.put(key, body)
            try await tiered.put(key, body)
        }
        // Warm, and each round beside the others.
        for _ in 0..<3 {
            try await report("memory get", memory, keys, gets: hot, timed: 100)
            try await report("tiered get, hot", tiered, keys, gets: hot, timed: 100)
            try await report("cold get", cold, keys, gets: self.cold, timed: endpoint == nil ? 100 : 1)
        }
        let statistics = tiered.statistics(of: .hot)
        guard let statistics, statistics.misses == 0, statistics.hits == 3 * hot else {
            throw ValidationError("not every get was a hot hit")
        }
        await cold.shutdown()
    }

    private func coldStore() async throws -> any Store {
        guard let endpoint else { return MemoryStore() }
        var configuration = S3Configuration(bucket: bucket)
        configuration.endpoint = endpoint
        configuration.create = true
        return try await S3Store.open(
            configuration, environment: ProcessInfo.processInfo.environment, logger: Logger(label: "bench"))
    }

    private func report(
        _ work: String, _ store: any Store, _ keys: [ObjectKey], gets count: Int, timed batch: Int
    ) async throws {
        var latencies: [Double] = []
        for first in stride(from: 0, to: count, by: batch) {
            let start = ContinuousClock.now
            for index in first..<first + batch {
                let object = try await store.get(keys[index % keys.count])
                for try await chunk in object.body where chunk.count > size { throw ValidationError("too much") }
            }
            latencies.append((ContinuousClock.now - start) / .microseconds(1) / Double(batch))
        }
        latencies.sort()
        let (median, p99) = (latencies[latencies.count / 2], latencies[latencies.count * 99 / 100])
        print("{\"work\": \"\(work)\", \"size\": \(size), \"p50_us\": \(median), \"p99_us\": \(p99)}")
    }
}
