import Storage
import StorageConformance
import StorageLayers
import Testing
import TieredStorage

/// Every tier in memory, reads leave copies, bodies of more than a few bytes go to the tiers as streams.
@Suite(.subject { tiered() }) struct TieredStoreConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

/// Upper tiers that fail half of the time, before or after they have done what was asked.
@Suite(
    .subject {
        tiered(hot: { FaultyStore($0, failing(.before)) }, warm: { FaultyStore($0, failing(.after)) })
    }) struct TieredStoreOverFailingTiersConformance
{
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

/// Cold is asked each time, and hardly anything has room above it.
@Suite(
    .subject {
        tiered(limits: TierLimits(maxObjects: 2, maxBytes: 400_000), revalidateAfter: .zero)
    }) struct TieredStoreThatAsksConformance
{
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

/// Watched by one who gets everything, and by one who reads nothing.
@Suite(.subject { ObservedStore(MemoryStore()) }) struct ObservedStoreConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws {
        let store = try #require(try Subject.store() as? ObservedStore)
        let stalled = try await store.watchOwn(WatchQuery(capacity: 1), overflow: .drop)
        let reader = Task { [changes = try await store.watchOwn(WatchQuery(capacity: 1), overflow: .block)] in
            for try await _ in changes {}
        }
        try await check(one)
        reader.cancel()
        withExtendedLifetime(stalled) {}
    }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

private func failing(_ moment: Faults.Moment) -> Faults {
    var faults = Faults()
    faults.failProbability = 0.5
    faults.moment = moment
    return faults
}

private func tiered(
    limits: TierLimits = TierLimits(), hot: (any Store) -> any Store = { $0 }, warm: (any Store) -> any Store = { $0 },
    revalidateAfter: Duration? = nil
) -> TieredStore {
    var options = TieredStore.Options()
    options.promotion = .eager
    options.bufferLimit = 1000
    options.revalidateAfter = revalidateAfter
    return TieredStore(
        hot: .init(hot(MemoryStore()), limits: limits), warm: .init(warm(MemoryStore()), limits: limits),
        cold: MemoryStore(), options: options)
}
