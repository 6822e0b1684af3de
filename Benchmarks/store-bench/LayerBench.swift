import ArgumentParser
import Compression
import Crypto
import Foundation
import Storage
import StorageLayers

/// What each layer costs over memory, and beside what it is made of; and how many reads of the store beneath a thousand
/// readers of a miss cause; prints a line of JSON each.
struct LayerBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "layers", abstract: "Times the layers over memory.")

    @Option(help: "The size of the object.") var size = 1024
    @Option(help: "How many batches of 100 operations.") var batches = 300
    @Option(help: "Time this layer alone, named as it is printed.") var only: String?
    @Option(help: "Time this operation alone: get, info or put.") var operation: String?

    private typealias Operation = @Sendable () async throws -> Void

    func run() async throws {
        let key = try ObjectKey(validating: "dir/key")
        let body = ObjectBody(content)
        let memory = MemoryStore()
        try await memory.put(key, body)
        let primitives = try primitives()
        for (name, store) in try stores(memory) where only == nil || name == only {
            if !(store is ReadOnlyStore) { try await store.put(key, body) }
            try await compare(
                name, "get", { try await Self.read(store, key) }, { try await Self.read(memory, key) },
                primitives[name])
            try await compare(name, "info", { _ = try await store.info(key) }, { _ = try await memory.info(key) })
            if store is ReadOnlyStore { continue }
            try await compare(name, "put", { try await store.put(key, body) }, { try await memory.put(key, body) })
        }
        if only == nil { try await singleFlight(key) }
    }

    /// Lines that compress as records do.
    private var content: [UInt8] {
        var generator = SystemRandomNumberGenerator()
        var text = ""
        while text.utf8.count < size {
            text +=
                "{\"id\": \(UInt32.random(in: 0...99_999, using: &generator)), \"state\": \"ready\", \"retries\": 0}\n"
        }
        return Array(text.utf8.prefix(size))
    }

    private static func read(_ store: some Store, _ key: ObjectKey) async throws {
        for try await chunk in try await store.get(key).body where chunk.isEmpty { throw ValidationError("no bytes") }
    }

    private func stores(_ memory: MemoryStore) throws -> [(String, any Store)] {
        var rates = ThrottleOptions()
        rates.readsPerMinute = .max
        rates.writesPerMinute = .max
        var gzip = CompressionOptions()
        gzip.algorithm = .gzip
        let keys = try EncryptionKeys(["1": SymmetricKey(size: .bits256)], current: "1")
        return [
            // One of its own: it follows the changes of the one beneath.
            ("cache (hot)", CachedStore(MemoryStore())), ("readonly", ReadOnlyStore(memory)),
            ("prefix", try PrefixedStore(memory, prefix: "team")), ("limit", LimitedStore(memory, maxConcurrent: 64)),
            ("retry", RetryingStore(memory)), ("throttle", ThrottledStore(memory, rates)),
            ("metrics", InstrumentedStore(memory, name: "bench")), ("faults", FaultyStore(memory)),
            ("observed", ObservedStore(memory)), ("compress (zstd)", CompressedStore(MemoryStore())),
            ("compress (gzip)", CompressedStore(MemoryStore(), gzip)),
            ("encrypt", EncryptedStore(MemoryStore(), keys: keys)),
            (
                "cache over compress over encrypt",
                CachedStore(CompressedStore(EncryptedStore(MemoryStore(), keys: keys)))
            ),
        ]
    }

    /// What gets of these layers are made of, on the same bytes: from an array to an array, as bodies are.
    private func primitives() throws -> [String: Operation] {
        let (content, size) = (content, size)
        let zstd = try ZstdEncoder().encode(content, isLast: true)
        let gzip = try GzipEncoder().encode(content, isLast: true)
        let key = SymmetricKey(size: .bits256)
        let sealed = Array(try AES.GCM.seal(content, using: key, authenticating: [1]).combined ?? Data())
        return [
            "compress (zstd)": { try Self.decode(ZstdDecoder(), zstd, size) },
            "compress (gzip)": { try Self.decode(GzipDecoder(), gzip, size) },
            "encrypt": {
                let box = try AES.GCM.SealedBox(combined: sealed)
                let content = Array(try AES.GCM.open(box, using: key, authenticating: [1]))
                guard content.count == size else { throw Self.wrong }
            },
        ]
    }

    private static let wrong = ValidationError("the bytes are not those that were stored")

    private static func decode(_ decoder: any ByteDecoder, _ bytes: [UInt8], _ size: Int) throws {
        decoder.feed(bytes)
        guard case .bytes(let content) = try decoder.next(size + 1), content.count == size else { throw wrong }
    }

    /// Batches of all in turn, so that they see the same machine.
    private func compare(
        _ name: String, _ operation: String, _ work: Operation, _ floor: Operation, _ primitive: Operation? = nil
    ) async throws {
        guard self.operation == nil || operation == self.operation else { return }
        for _ in 0..<1000 { try await work() }
        var (times, costs, primitives, own): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
        for _ in 0..<batches {
            let time = try await batch(work)
            let cost = time - (try await batch(floor))
            times.append(time)
            costs.append(cost)
            guard let primitive else { continue }
            let bare = try await batch(primitive)
            primitives.append(bare)
            own.append(cost - bare)
        }
        var line = ["\"p50_us\": \(median(times)), \"over_memory_us\": \(median(costs))"]
        if primitive != nil { line.append("\"primitive_us\": \(median(primitives)), \"own_us\": \(median(own))") }
        print("{\"store\": \"\(name)\", \"operation\": \"\(operation)\", \(line.joined(separator: ", "))}")
    }

    private func batch(_ work: Operation) async throws -> Double {
        let start = ContinuousClock.now
        for _ in 0..<100 { try await work() }
        return (ContinuousClock.now - start) / .microseconds(100)
    }

    private func median(_ values: [Double]) -> Double {
        (values.sorted()[values.count / 2] * 1000).rounded() / 1000
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
}
