import SQLiteStorage
import Storage
import StorageConformance
import TestSupport
import Testing

@Suite struct SQLiteStoreConformance {
    @Test(arguments: SQLiteStoreConfiguration.Durability.allCases)
    func proves(_ durability: SQLiteStoreConfiguration.Durability) async throws {
        let folder = DatabaseFolder()
        let store = try await folder.store(durability)
        // Several at a time: most of what they take is waiting.
        try await forEach(ConformanceSuite.cases, atOnce: 8) { one in report(await one.run(on: store)) }
        try await forEach(ConformanceSuite.shutdownCases) { one in
            report(await one.run(on: try await folder.store(durability)))
        }
        #expect(try await store.list(ListQuery()) == ListPage())
    }

    private func report(_ result: CaseResult) {
        if let complaint = result.complaint { Issue.record("\(result.name): \(complaint)") }
    }
}
