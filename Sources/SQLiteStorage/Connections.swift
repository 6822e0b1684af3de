import Dispatch
import FoundationEssentials
import GRDB
import Storage
import Synchronization

/// The database's connections and the threads that wait for them: one that writes, a few that read.
final class Connections: Sendable {
    /// A change. It throws a ``StorageError`` only before it has changed anything.
    typealias Change<Value> = @Sendable (Database) throws -> Value

    private let pool: DatabasePool
    private let readers: IOThreads
    private let writes: WriteQueue
    private let isOpen = Mutex(true)

    /// Opens the file, made where it is missing.
    static func open(_ configuration: SQLiteStoreConfiguration) async throws(StorageError) -> Connections {
        let writer = try IOThreads(count: 1)
        let readers = try IOThreads(count: max(1, configuration.readers))
        let pool = try await writer.run { () throws(StorageError) in
            do {
                return try Self.pool(configuration)
            } catch {
                throw .database(error)
            }
        }
        return Connections(pool, readers, writer)
    }

    private init(_ pool: DatabasePool, _ readers: IOThreads, _ writer: IOThreads) {
        self.pool = pool
        self.readers = readers
        writes = WriteQueue(pool, writer)
    }

    private static func pool(_ configuration: SQLiteStoreConfiguration) throws -> DatabasePool {
        let folder = URL(filePath: configuration.path).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var options = Configuration()
        options.busyMode = .timeout(configuration.busyTimeout.seconds)
        options.maximumReaderCount = max(1, configuration.readers)
        let pool = try DatabasePool(path: configuration.path, configuration: options)
        try pool.writeWithoutTransaction { database in
            let mode = configuration.durability == .always ? "FULL" : "NORMAL"
            try database.execute(sql: "PRAGMA synchronous = \(mode); PRAGMA journal_size_limit = 67108864")
            try Schema.settle(database)
        }
        return pool
    }

    /// Throws `unavailable` after ``close()``.
    func checkOpen() throws(StorageError) {
        guard isOpen.withLock({ $0 }) else { throw StorageError(.unavailable, "the SQLite store is shut down") }
    }

    /// Reads by one statement, which sees one state.
    func read<Value: Sendable>(_ body: @escaping Change<Value>) async throws(StorageError) -> Value {
        try await run { pool in try pool.unsafeRead(body) }
    }

    /// Reads by any number of statements, which see one state.
    func readConsistently<Value: Sendable>(_ body: @escaping Change<Value>) async throws(StorageError) -> Value {
        try await run { pool in try pool.read(body) }
    }

    private func run<Value: Sendable>(
        _ body: @escaping @Sendable (DatabasePool) throws -> Value
    ) async throws(StorageError) -> Value {
        try checkOpen()
        if Task.isCancelled { throw StorageError.cancelled }
        let pool = pool
        return try await readers.run { () throws(StorageError) in
            do { return try body(pool) } catch { throw .database(error) }
        }
    }

    /// Changes the database in a transaction, on the disk when this returns. Not cut short by cancellation.
    func write<Value: Sendable>(_ change: @escaping Change<Value>) async throws(StorageError) -> Value {
        try checkOpen()
        return try await writes.write(change)
    }

    /// Refuses what comes later, lets end what is under way, and closes the file.
    func close() async {
        let isFirst = isOpen.withLock { isOpen in
            defer { isOpen = false }
            return isOpen
        }
        if isFirst { await writes.end() }
    }
}
