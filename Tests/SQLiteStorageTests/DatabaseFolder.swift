import Foundation
import SQLiteStorage
import Storage
import Synchronization

/// A clock that a test sets.
final class TestClock: Sendable {
    private let offset = Mutex(0.0)

    var now: @Sendable () -> Date { { Date.now.addingTimeInterval(self.offset.withLock { $0 }) } }

    func advance(_ seconds: Double) { offset.withLock { $0 += seconds } }
}

/// A folder of a test's own with a database, removed with it.
final class DatabaseFolder: Sendable {
    let url = FileManager.default.temporaryDirectory.appending(path: "sqlite-\(UUID().uuidString)")

    var database: String { url.path + "/store.db" }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    /// Opens a store in it.
    func store(
        _ durability: SQLiteStoreConfiguration.Durability = .always, clock: TestClock = TestClock(),
        _ change: (inout SQLiteStoreConfiguration) -> Void = { _ in }
    ) async throws -> SQLiteStore {
        var configuration = SQLiteStoreConfiguration(path: database, durability: durability)
        change(&configuration)
        return try await SQLiteStore.open(configuration, now: clock.now)
    }
}
