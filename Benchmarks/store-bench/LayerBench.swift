import ArgumentParser
import Crypto
import Storage
import StorageLayers
import Synchronization

/// What each layer costs over memory, and what a hot hit of the cache takes; prints a line of JSON each.
struct LayerBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "layers", abstract: "Times the layers over memory.")

    @Option(help: "The size of the object.") var size = 1024
    @Option(help: "How many batches of 100 operations.") var batches = 500

    func run() async throws {
        let memory = MemoryStore()
        let key = try ObjectKey(validating: "dir/key")
        var floors: [String: Double] = [:]
        for (name, store) in try stores(memory) {
            if !(store is ReadOnlyStore) { try await store.put(key, ObjectBody([UInt8](repeating: 7, count: size))) }
            let operations: [(String, @Sendable () async throws -> Void)] = [
                ("get", { _ = try await store.get(key) }), ("info", { _ = try await store.info(key) }),
            ]
            for (operation, work) in operations {
                let median = try await median(work)
                if name == "memory" { floors[operation] = median }
                let cost = median - (floors[operation] ?? 0)
                print(
                    "{\"store\": \"\(name)\", \"operation\": \"\(operation)\", \"p50_us\": \(rounded(median)), \"over_memory_us\": \(rounded(cost))}"
                )
            }
        }
        try await singleFlight(key)
    }

    private func stores(_ memory: MemoryStore) throws -> [(String, any Store)] {
        var rates = ThrottleOptions()
        rates.readsPerMinute = .max
        rates.writesPerMinute = .max
        let keys = try EncryptionKeys(["1": SymmetricKey(size: .bits256)], current: "1")
        return [
            ("memory", memory), ("cache (hot)", CachedStore(memory)), ("readonly", ReadOnlyStore(memory)),
            ("prefix", try PrefixedStore(memory, prefix: "team")), ("limit", LimitedStore(memory, maxConcurrent: 64)),
            ("retry", RetryingStore(memory)), ("throttle", ThrottledStore(memory, rates)),
            ("metrics", InstrumentedStore(memory, name: "bench")), ("faults", FaultyStore(memory)),
            ("compress", CompressedStore(MemoryStore())), ("encrypt", EncryptedStore(MemoryStore(), keys: keys)),
            (
                "cache over compress over encrypt",
                CachedStore(CompressedStore(EncryptedStore(MemoryStore(), keys: keys)))
            ),
        ]
    }

    private func median(_ work: @Sendable () async throws -> Void) async throws -> Double {
        for _ in 0..<1000 { try await work() }
        var times: [Double] = []
        for _ in 0..<batches {
            let start = ContinuousClock.now
            for _ in 0..<100 { try await work() }
            times.append((ContinuousClock.now - start) / .microseconds(100))
        }
        return times.sorted()[batches / 2]
    }

    /// A thousand readers of what is not in the cache, over a store that takes a while.
    private func singleFlight(_ key: ObjectKey) async throws {
        let memory = MemoryStore()
        try await memory.put(key, ObjectBody("x"))
        var slow = Faults()
        slow.latency = .milliseconds(50)
        let store = CachedStore(FaultyStore(memory, slow))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<1000 { group.addTask { _ = try await store.get(key) } }
            try await group.waitForAll()
        }
        print("{\"readers_of_a_miss\": 1000, \"reads_of_the_store_beneath\": \(memory.statistics.hits)}")
    }

    private func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}
