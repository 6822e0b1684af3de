import CSQLite
import Dispatch
import GRDB
import Storage
import Synchronization

/// The connections that read. What lies in memory is read at once; all else by a thread that may wait for the disk.
final class Readers: Sendable {
    /// What is read, by any connection.
    typealias Read<Value> = @Sendable (inout ReadConnection) throws -> Value

    private final class Reader: Sendable {
        /// Nil after closing.
        let connection: Mutex<ReadConnection?>

        init(_ configuration: SQLiteStoreConfiguration) throws {
            var opened = try ReadConnection(configuration)
            try opened.warmUp()
            connection = Mutex(opened)
        }
    }

    /// Whether SQLite can be told not to wait: settled before any database is opened.
    static let canHurry = csqlite_install() == 0

    private let readers: [Reader]
    private let threads: IOThreads

    /// Opens the connections; on an I/O thread.
    init(_ configuration: SQLiteStoreConfiguration, _ threads: IOThreads) throws {
        readers = try (0..<max(1, configuration.readers)).map { _ in try Reader(configuration) }
        self.threads = threads
    }

    /// What `body` reads. It may run twice: a thread of Swift's own never waits.
    func read<Value: Sendable>(_ body: @escaping Read<Value>) async throws(StorageError) -> Value {
        if Self.canHurry, let value = readAtOnce(body) { return value }
        return try await threads.run { () throws(StorageError) in
            do { return try self.readWaiting(body) } catch { throw .database(error) }
        }
    }

    private func readAtOnce<Value: Sendable>(_ body: Read<Value>) -> Value? {
        for reader in readers {
            var value: Value?
            let isOver: Void? = reader.connection.withLockIfAvailable { connection in
                // A failure may be that of not waiting alone: the next attempt tells.
                do { value = try connection?.hurriedly(body) } catch {}
            }
            if isOver != nil { return value }
        }
        return nil
    }

    private func readWaiting<Value: Sendable>(_ body: Read<Value>) throws -> Value {
        for reader in readers {
            if let result = reader.connection.withLockIfAvailable({ connection in Self.result(of: body, &connection) })
            {
                return try result.get()
            }
        }
        guard let any = readers.randomElement() else { throw StorageError(.internal, "there is no connection") }
        return try any.connection.withLock { connection in Self.result(of: body, &connection) }.get()
    }

    private static func result<Value: Sendable>(
        of body: Read<Value>, _ connection: inout ReadConnection?
    ) -> Result<Value, any Error> {
        Result {
            guard let value = try connection?.waiting(body) else { throw Connections.closed }
            return value
        }
    }

    /// Closes them; on an I/O thread.
    func close() {
        for reader in readers { reader.connection.withLock { $0 = nil } }
    }
}
