import CSQLite
import GRDB
import GRDBSQLite
import Storage

/// A connection that reads, and its statements.
struct ReadConnection: ~Copyable {
    /// What is read.
    enum Query: Int, CaseIterable {
        case object, info, keys, infos, liveKeys, liveInfos, hasExpired, nextExpiry, chunk, loose, begin, end

        fileprivate var sql: String {
            let infos = ObjectRow.infoColumns
            let live = "key >= ? AND id NOT IN (SELECT id FROM objects WHERE expires <= ?) ORDER BY key"
            return switch self {
            case .object: "SELECT \(infos), body, bytes FROM objects WHERE key = ?"
            case .info: "SELECT \(infos) FROM objects WHERE key = ?"
            // Where only keys are wanted nothing but the index is read.
            case .keys: "SELECT key FROM objects WHERE key >= ? ORDER BY key"
            case .infos: "SELECT \(infos) FROM objects WHERE key >= ? ORDER BY key"
            case .liveKeys: "SELECT key FROM objects WHERE \(live)"
            case .liveInfos: "SELECT \(infos) FROM objects WHERE \(live)"
            case .hasExpired: "SELECT 1 FROM objects WHERE expires <= ? LIMIT 1"
            case .nextExpiry: "SELECT min(expires) FROM objects WHERE expires IS NOT NULL"
            case .chunk: "SELECT bytes FROM chunks WHERE id = ?"
            case .loose: "SELECT body FROM loose WHERE until < ?"
            case .begin: "BEGIN"
            case .end: "COMMIT"
            }
        }
    }

    /// Thrown by what takes long, to be done where it may.
    struct TakesLong: Error {}

    private let handle: OpaquePointer
    private let busyTimeout: Int32
    private var statements: [OpaquePointer?]
    /// Whether a thread of Swift's own runs it: what takes long throws ``TakesLong``.
    private(set) var isHurried: Bool

    init(_ configuration: SQLiteStoreConfiguration) throws {
        handle = try Self.open(configuration.path)
        busyTimeout = Int32(clamping: Int(configuration.busyTimeout / .milliseconds(1)))
        statements = [OpaquePointer?](repeating: nil, count: Query.allCases.count)
        isHurried = false
    }

    private static func open(_ path: String) throws -> OpaquePointer {
        var opened: OpaquePointer?
        // Without a mutex: its holder sees to it that one thread uses it at a time.
        let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        if code == SQLITE_OK, let opened { return opened }
        defer { sqlite3_close_v2(opened) }
        throw DatabaseError.last(of: opened)
    }

    /// Opens the files and their locks, which SQLite does with the first read: here, where that may wait.
    mutating func warmUp() throws {
        // At most 16 MiB, as far as something is read: eight times SQLite's own measure.
        sqlite3_exec(handle, "PRAGMA cache_size = -16384", nil, nil, nil)
        _ = try waiting { connection in try connection.statement(.hasExpired).first(.integer(.min)) { _ in true } }
    }

    deinit {
        for statement in statements { sqlite3_finalize(statement) }
        sqlite3_close_v2(handle)
    }

    /// The statement of a query, prepared once.
    mutating func statement(_ query: Query) throws -> Statement {
        if let known = statements[query.rawValue] { return Statement(known) }
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, query.sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw DatabaseError.last(of: handle) }
        statements[query.rawValue] = prepared
        return Statement(prepared)
    }

    /// Runs `body`, whose statements see one state.
    mutating func consistently<Value>(_ body: (inout ReadConnection) throws -> Value) throws -> Value {
        try statement(.begin).run()
        let result = Result { try body(&self) }
        try statement(.end).run()
        return try result.get()
    }

    /// Runs `body` on one of Swift's threads: reads nothing that is not in memory; what fails has to be tried again.
    mutating func hurriedly<Value>(_ body: (inout ReadConnection) throws -> Value) throws -> Value {
        isHurried = true
        sqlite3_busy_timeout(handle, 0)
        csqlite_never_wait(1)
        defer {
            csqlite_never_wait(0)
            isHurried = false
        }
        return try body(&self)
    }

    /// Runs `body` where it may wait.
    mutating func waiting<Value>(_ body: (inout ReadConnection) throws -> Value) throws -> Value {
        sqlite3_busy_timeout(handle, busyTimeout)
        return try body(&self)
    }
}
