import FileStorage
import Storage
import StorageConformance
import Testing

@Suite struct FileStoreConformance {
    @Test(arguments: FileStoreConfiguration.Durability.allCases)
    func proves(_ durability: FileStoreConfiguration.Durability) async throws {
        let folder = Folder()
        let store = try await folder.store(durability)
        expectPassed(await ConformanceSuite.run(on: store))
        expectPassed(await ConformanceSuite.runShutdown { try await folder.store(durability) })
        #expect(folder.objects == [] && folder.temporaryFiles == [])
    }
}

func expectPassed(_ results: [CaseResult]) {
    #expect(!results.isEmpty)
    for result in results where result.isFailure { Issue.record("\(result.name): \(result.complaint ?? "")") }
}
