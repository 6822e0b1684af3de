import FileStorage
import Foundation
import Storage
import StorageConformance
import TestSupport
import Testing

@Suite struct FileStoreConformance {
    @Test(arguments: [FileStoreConfiguration.Durability.always, .batched])
    func proves(_ durability: FileStoreConfiguration.Durability) async throws {
        let folder = Folder()
        try await prove(folder) { try await folder.store(durability) }
    }

    /// With nothing synced, and with names as a file system needs them that folds letter case.
    @Test func provesWithPortableNames() async throws {
        let folder = try Folder(isPortable: true)
        try await prove(folder) { try await folder.store(.none) }
    }

    private func prove(_ folder: Folder, _ open: @Sendable @escaping () async throws -> FileStore) async throws {
        let store = try await open()
        // Several at a time: most of what they take is waiting.
        try await forEach(ConformanceSuite.cases, atOnce: 8) { one in report(await one.run(on: store)) }
        try await forEach(ConformanceSuite.shutdownCases) { one in report(await one.run(on: try await open())) }
        // Every object was deleted, and every folder with it.
        #expect(folder.objects == [] && folder.temporaryFiles == [])
    }
}

private func report(_ result: CaseResult) {
    if let complaint = result.complaint { Issue.record("\(result.name): \(complaint)") }
}
