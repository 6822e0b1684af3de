import FileStorage
import Foundation
import Storage
import StorageConformance
import Testing

@Suite struct FileStoreConformance {
    @Test(arguments: FileStoreConfiguration.Durability.allCases)
    func proves(_ durability: FileStoreConfiguration.Durability) async throws {
        let folder = Folder()
        try await prove(folder) { try await folder.store(durability) }
    }

    /// With names as a file system needs them that folds letter case.
    @Test func provesWithPortableNames() async throws {
        let folder = try Folder(isPortable: true)
        try await prove(folder) { try await folder.store(.none) }
    }

    private func prove(_ folder: Folder, _ open: @Sendable () async throws -> FileStore) async throws {
        let store = try await open()
        expectPassed(await ConformanceSuite.run(on: store))
        expectPassed(await ConformanceSuite.runShutdown { try await open() })
        // Every object was deleted, and every folder with it.
        #expect(folder.objects == [] && folder.temporaryFiles == [])
    }
}

func expectPassed(_ results: [CaseResult]) {
    #expect(results.count > 2)
    for result in results where result.isFailure { Issue.record("\(result.name): \(result.complaint ?? "")") }
}
