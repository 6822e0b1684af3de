import Storage
import StorageConformance
import StorageLayers
import TestSupport
import Testing

/// Each store is put to every case of the suite, each case a test of its own.
@Suite(.subject { MemoryStore() }) struct MemoryStoreConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

@Suite(.subject { FaultyStore(MemoryStore()) }) struct FaultyStoreConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

@Suite(.subject { ExampleStore() }) struct ExampleStoreConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

@Suite(.jetStream(.debian)) struct JetStreamStoreOnDebianConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

@Suite(.jetStream(.newest)) struct JetStreamStoreOnNewestConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

@Suite(.jetStream(.newest, isAtomic: true)) struct AtomicJetStreamStoreConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

@Suite(.remote(.debian)) struct RemoteStoreOverJetStreamOnDebianConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

/// What the store behind the component can't do the remote one does not claim.
@Suite(.remote(.newest) { _ in ExampleStore() }) struct RemoteStoreOverExampleOnNewestConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
}

@Suite(.remote(.newest)) struct RemoteStoreOverJetStreamOnNewestConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}

@Suite(.remote(.newest) { _ in MemoryStore() }) struct RemoteStoreOverMemoryOnNewestConformance {
    @Test(arguments: ConformanceSuite.cases) func proves(_ one: ConformanceCase) async throws { try await check(one) }
    @Test(arguments: ConformanceSuite.shutdownCases) func proves(shutdown one: ConformanceCase) async throws {
        try await checkShutdown(one)
    }
}
