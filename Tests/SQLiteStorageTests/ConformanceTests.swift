import SQLiteStorage
import Storage
import StorageConformance
import Testing

@Suite struct SQLiteStoreConformance {
    @Test(arguments: SQLiteStoreConfiguration.Durability.allCases)
    func proves(_ durability: SQLiteStoreConfiguration.Durability) async throws {
        let folder = DatabaseFolder()
        let store = try await folder.store(durability)
        let results =
            await ConformanceSuite.run(on: store)
            + ConformanceSuite.runShutdown { try await folder.store(durability) }
        #expect(results.count > 80)
        for result in results where result.isFailure { Issue.record("\(result.name): \(result.complaint ?? "")") }
        #expect(try await store.list(ListQuery()) == ListPage())
    }
}
