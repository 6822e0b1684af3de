import Foundation
import SQLiteStorage
import Storage
import TestSupport

/// A folder of a test's own with a database, removed with it.
final class DatabaseFolder: Sendable {
    let url = FileManager.default.temporaryDirectory.appending(path: "sqlite-\(UUID().uuidString)")

    var database: String { url.path + "/store.db" }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    /// Opens a store in it.
    func store(
        _ durability: SQLiteStoreConfiguration.Durability = .always, clock: TestClock? = nil,
        _ change: (inout SQLiteStoreConfiguration) -> Void = { _ in }
    ) async throws -> SQLiteStore {
        var configuration = SQLiteStoreConfiguration(path: database, durability: durability)
        change(&configuration)
        return try await SQLiteStore.open(configuration, now: { clock?.now() ?? .now })
    }
}
