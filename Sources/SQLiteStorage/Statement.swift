import GRDB
import GRDBSQLite
import Storage

/// A prepared statement of a connection, stepped by SQLite's own calls: columns are read where they lie. Rows and arguments
/// as collections of values take ten times as long as what SQLite does for a small object.
struct Statement {
    /// What is put in the place of a `?`.
    enum Parameter {
        case integer(Int64?)
        case bytes([UInt8]?)
        case text(String)
    }

    private let handle: OpaquePointer

    /// - Parameter handle: of a statement that its connection keeps, and uses for nothing else meanwhile.
    init(_ handle: OpaquePointer) {
        self.handle = handle
    }

    /// Runs to the end.
    func run(_ parameters: Parameter...) throws {
        try forEachRow(parameters) { _ in true }
    }

    /// What `read` makes of the first row; nil where there is none.
    func first<Value>(_ parameters: Parameter..., read: (Row) throws -> Value) throws -> Value? {
        var value: Value?
        try forEachRow(parameters) { row in
            value = try read(row)
            return false
        }
        return value
    }

    /// Calls `body` for each row until it returns false.
    func forEachRow(_ parameters: [Parameter], _ body: (Row) throws -> Bool) throws {
        defer {
            sqlite3_reset(handle)
            sqlite3_clear_bindings(handle)
        }
        for (index, parameter) in parameters.enumerated() { try check(bind(parameter, Int32(index + 1))) }
        while true {
            let code = sqlite3_step(handle)
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw failure }
            guard try body(Row(handle)) else { return }
        }
    }

    private func bind(_ parameter: Parameter, _ place: Int32) -> Int32 {
        // SQLite copies the bytes.
        let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        return switch parameter {
        case .integer(nil), .bytes(nil): sqlite3_bind_null(handle, place)
        case .integer(let integer?): sqlite3_bind_int64(handle, place, integer)
        // A pointer to nothing would be taken for no value.
        case .bytes(let bytes?) where bytes.isEmpty: sqlite3_bind_zeroblob(handle, place, 0)
        case .bytes(let bytes?): sqlite3_bind_blob64(handle, place, bytes, UInt64(bytes.count), copied)
        case .text(let text):
            text.withBytes { sqlite3_bind_blob64(handle, place, $0.baseAddress, UInt64($0.count), copied) }
        }
    }

    private func check(_ code: Int32) throws {
        guard code == SQLITE_OK else { throw failure }
    }

    private var failure: DatabaseError { .last(of: sqlite3_db_handle(handle)) }

    /// The row that a statement stands on; not to be kept.
    struct Row {
        private let handle: OpaquePointer

        fileprivate init(_ handle: OpaquePointer) {
            self.handle = handle
        }

        func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

        func optionalInteger(_ column: Int32) -> Int64? {
            sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : integer(column)
        }

        /// The bytes where they lie; none where there is no value.
        func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
            // In this order: asking for the blob may change what it takes.
            let start = sqlite3_column_blob(handle, column)
            return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column)))
        }
    }
}

extension DatabaseError {
    /// Why the last call on a connection failed.
    static func last(of connection: OpaquePointer?) -> DatabaseError {
        let code = ResultCode(rawValue: sqlite3_extended_errcode(connection))
        return DatabaseError(resultCode: code, message: sqlite3_errmsg(connection).map { String(cString: $0) })
    }
}

extension Database {
    /// The statement of this text, prepared once.
    func statement(_ sql: String) throws -> Statement { Statement(try cachedStatement(sql: sql).sqliteStatement) }

    /// Runs `body` within a transaction that is taken back where it throws.
    func transaction(_ body: () throws -> Void) throws {
        try statement("BEGIN IMMEDIATE").run()
        do {
            try body()
            try statement("COMMIT").run()
        } catch {
            // Some failures have taken it back already.
            if isInsideTransaction { try statement("ROLLBACK").run() }
            throw error
        }
    }
}
