import FoundationEssentials
import GRDB
import Glibc
import Storage
import Synchronization

/// The database's connections and the threads that wait for them: one that writes, a few that read.
final class Connections: Sendable {
    /// A change. It throws a ``StorageError`` only before it has changed anything.
    typealias Change<Value> = @Sendable (Database) throws -> Value

    static let closed = StorageError(.unavailable, "the SQLite store is shut down")

    private let readers: Readers
    private let threads: IOThreads
    private let writes: WriteQueue
    private let isOpen = Atomic(true)

    /// Opens the file, made where it is missing.
    static func open(_ configuration: SQLiteStoreConfiguration) async throws(StorageError) -> Connections {
        let writer = try IOThreads(count: 1)
        let threads = try IOThreads(count: max(1, configuration.readers))
        return try await writer.run { () throws(StorageError) in
            do {
                _ = Readers.canHurry
                let (queue, readers) = try waiting(configuration.busyTimeout) {
                    (try Self.queue(configuration), try Readers(configuration, threads))
                }
                return Connections(readers, threads, WriteQueue(queue, writer))
            } catch {
                throw .database(error)
            }
        }
    }

    private init(_ readers: Readers, _ threads: IOThreads, _ writes: WriteQueue) {
        self.readers = readers
        self.threads = threads
        self.writes = writes
    }

    /// Opens again where another process makes the database just now, or recovers it: there SQLite does not wait by
    /// itself. On an I/O thread.
    private static func waiting<Opened>(_ timeout: Duration, _ open: () throws -> Opened) throws -> Opened {
        let deadline = ContinuousClock.now + timeout
        while true {
            do {
                return try open()
            } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY && .now < deadline {
                usleep(5000)
            }
        }
    }

    private static func queue(_ configuration: SQLiteStoreConfiguration) throws -> DatabaseQueue {
        let folder = URL(filePath: configuration.path).deletingLastPathComponent().path
        try SyncedFolder.make(folder) {
            StorageError(.unavailable, "\($0): \(String(cString: strerror(errno)))", class: .fatal)
        }
        var options = Configuration()
        options.busyMode = .timeout(configuration.busyTimeout.seconds)
        options.journalMode = .wal
        let queue = try DatabaseQueue(path: configuration.path, configuration: options)
        try queue.writeWithoutTransaction { database in
            let mode = configuration.durability == .always ? "FULL" : "NORMAL"
            try database.execute(sql: "PRAGMA synchronous = \(mode); PRAGMA journal_size_limit = 67108864")
            try Schema.settle(database)
        }
        return queue
    }

    /// Throws `unavailable` after ``close()``.
    func checkOpen() throws(StorageError) {
        guard isOpen.load(ordering: .relaxed) else { throw Self.closed }
    }

    /// What `body` reads, which may run twice; at once where nothing has to be waited for.
    func read<Value: Sendable>(_ body: @escaping Readers.Read<Value>) async throws(StorageError) -> Value {
        try checkOpen()
        if Task.isCancelled { throw StorageError.cancelled }
        return try await readers.read(body)
    }

    /// Changes the database in a transaction, on the disk when this returns. Not cut short by cancellation.
    func write<Value: Sendable>(_ change: @escaping Change<Value>) async throws(StorageError) -> Value {
        try checkOpen()
        return try await writes.write(change)
    }

    /// Refuses what comes later, lets end what is under way, and closes the file.
    func close() async {
        guard isOpen.exchange(false, ordering: .relaxed) else { return }
        _ = try? await threads.run { self.readers.close() }
        await writes.end()
    }
}
