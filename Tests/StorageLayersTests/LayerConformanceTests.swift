import Crypto
import Storage
import StorageConformance
import StorageLayers
import TestSupport
import Testing

/// Each layer over memory is put to every case of the suite.
@Suite struct LayerConformanceTests {
    @Test func prefixed() async throws {
        // The longest keys leave no room for a prefix: they are refused, see PrefixedStoreTests.
        try await checkConformance(except: "keys/of-1024-bytes") {
            try PrefixedStore(MemoryStore(), prefix: "team/a")
        }
    }

    @Test func limited() async throws {
        try await checkConformance { LimitedStore(MemoryStore(), maxConcurrent: 3) }
    }

    @Test func retrying() async throws {
        try await checkConformance { RetryingStore(MemoryStore()) }
    }

    /// Every third operation is refused, and of what was read a third is lost on its way.
    @Test func retryingOverFailures() async throws {
        // After a shutdown nothing but refusals would be tried again.
        try await checkConformance(ofShutdown: false) {
            var refusals = Faults()
            refusals.failProbability = 0.3
            refusals.error = StorageError(.throttled, "injected")
            var losses = Faults()
            losses.failProbability = 0.3
            losses.seed = 7
            losses.moment = .after
            losses.operations = [.get, .info, .list]
            var options = RetryOptions()
            options.maxAttempts = 100
            options.baseDelay = .microseconds(1)
            options.maxDelay = .milliseconds(1)
            options.budget = 1_000_000
            return RetryingStore(FaultyStore(FaultyStore(MemoryStore(), refusals), losses), options)
        }
    }

    @Test func throttled() async throws {
        try await checkConformance {
            var options = ThrottleOptions()
            options.readsPerMinute = 6_000_000
            options.writesPerMinute = 6_000_000
            options.burst = 10
            options.bytesPerSecond = 1 << 30
            return ThrottledStore(MemoryStore(), options)
        }
    }

    @Test func cached() async throws {
        try await checkConformance {
            var options = CacheOptions()
            options.negativeTimeToLive = .seconds(100)
            return CachedStore(MemoryStore(), options)
        }
    }

    /// Every entry is soon in another one's way.
    @Test func cachedWithoutRoom() async throws {
        try await checkConformance {
            var options = CacheOptions()
            options.strategy = .lru
            options.maxEntries = 2
            options.maxBytes = 200_000
            return CachedStore(MemoryStore(), options)
        }
    }

    /// Each part is small, so that borders are everywhere; most objects are made of several.
    @Test(arguments: [1 << 10, 64 << 10]) func encrypted(_ chunkSize: Int) async throws {
        let keys = try EncryptionKeys(["1": .init(size: .bits256)], current: "1")
        try await checkConformance {
            var options = EncryptionOptions()
            options.chunkSize = chunkSize
            return EncryptedStore(MemoryStore(), keys: keys, options)
        }
    }

    @Test(arguments: CompressionAlgorithm.allCases) func compressed(_ algorithm: CompressionAlgorithm) async throws {
        try await checkConformance {
            var options = CompressionOptions()
            options.algorithm = algorithm
            return CompressedStore(MemoryStore(), options)
        }
    }

    @Test func instrumented() async throws {
        try await checkConformance { InstrumentedStore(MemoryStore(), name: "memory") }
    }

    // MARK: Stacks

    @Test func cacheOverCompressionOverEncryptionOverRetries() async throws {
        let keys = try EncryptionKeys(["1": .init(size: .bits256)], current: "1")
        try await checkConformance {
            let encrypted = EncryptedStore(RetryingStore(MemoryStore()), keys: keys)
            return CachedStore(CompressedStore(encrypted))
        }
    }

    @Test func everythingOnAPrefix() async throws {
        let keys = try EncryptionKeys(["1": .init(size: .bits256)], current: "1")
        try await checkConformance(except: "keys/of-1024-bytes") {
            let prefixed = try PrefixedStore(LimitedStore(MemoryStore(), maxConcurrent: 8), prefix: "a/b")
            let packed = CompressedStore(EncryptedStore(RetryingStore(prefixed), keys: keys))
            return InstrumentedStore(CachedStore(ThrottledStore(packed, ThrottleOptions())), name: "stack")
        }
    }

    @Test func eachOfThoseThatChangeBytesTwice() async throws {
        let keys = try EncryptionKeys(["1": .init(size: .bits256)], current: "1")
        try await checkConformance(except: "keys/of-1024-bytes") {
            let blocks = try BlockStore(try BlockStore(MemoryStore()))
            let encrypted = EncryptedStore(CachedStore(EncryptedStore(blocks, keys: keys)), keys: keys)
            return CompressedStore(RetryingStore(CompressedStore(encrypted)))
        }
    }

    @Test func twoCachesAndTwoPrefixes() async throws {
        try await checkConformance(except: "keys/of-1024-bytes") {
            var small = CacheOptions()
            small.maxEntries = 3
            small.negativeTimeToLive = .seconds(10)
            let inner = CachedStore(try PrefixedStore(MemoryStore(), prefix: "inner"))
            return CachedStore(try PrefixedStore(CompressedStore(inner), prefix: "outer"), small)
        }
    }
}
