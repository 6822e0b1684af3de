import Logging
import NATS
import Storage
import StorageConfiguration

/// Connects for as long as `body` runs.
func withConnection<Value>(
    _ options: NATSOptions, _ body: (NATSConnection) async throws -> Value
) async throws -> Value {
    var options = options
    options.name = "nats-storage"
    let connection = try await NATSConnection.connect(options)
    do {
        let value = try await body(connection)
        await connection.close()
        return value
    } catch {
        await connection.close()
        throw error
    }
}

/// Connects twice for as long as `body` runs, as stores want it: for requests, and for large bodies.
func withConnections<Value>(
    _ options: NATSOptions, _ body: (_ control: NATSConnection, _ bulk: NATSConnection) async throws -> Value
) async throws -> Value {
    try await withConnection(options) { control in
        var options = options
        options.isBulk = true
        return try await withConnection(options) { bulk in try await body(control, bulk) }
    }
}

/// Runs `body`, and shuts the store down whatever becomes of it.
func closing<Value>(_ store: any Store, _ body: () async throws -> Value) async throws -> Value {
    do {
        let value = try await body()
        await store.shutdown()
        return value
    } catch {
        await store.shutdown()
        throw error
    }
}

extension Logger {
    /// For commands: what they print is for their users, and errors alone are logged.
    static var ofCommands: Logger {
        var logger = Logger(label: "nats-storage") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .error
        return logger
    }
}
