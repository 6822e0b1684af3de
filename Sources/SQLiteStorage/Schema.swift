import GRDB
import Storage

/// The tables.
///
/// An object is one row with its bytes, or with the number of a body whose bytes are rows of `chunks`. Every body is of
/// one object or in `loose`, in each committed state: so what an interrupted upload leaves is found by looking there.
enum Schema {
    /// Bytes up to this size lie in the object's row, those of more in rows of this size.
    static let chunk = 256 << 10
    /// A chunk's id is its body's number times this, and its place: 4 TiB at most.
    static let chunksOfBody: Int64 = 1 << 24
    /// No object has more bytes.
    static let largest = Int(chunksOfBody) * chunk
    private static let version = 1

    private static let tables = """
        CREATE TABLE objects (
            id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, version INTEGER NOT NULL, size INTEGER NOT NULL,
            digest BLOB NOT NULL, modified INTEGER NOT NULL, expires INTEGER, attributes BLOB, body INTEGER,
            bytes BLOB);
        CREATE INDEX objects_expires ON objects (expires) WHERE expires IS NOT NULL;
        CREATE TABLE chunks (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
        CREATE TABLE loose (body INTEGER PRIMARY KEY AUTOINCREMENT, until INTEGER NOT NULL);
        CREATE TABLE messages (
            id BLOB PRIMARY KEY, recorded INTEGER NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL,
            size INTEGER NOT NULL, digest BLOB NOT NULL, modified INTEGER NOT NULL, expires INTEGER, attributes BLOB)
            WITHOUT ROWID;
        CREATE INDEX messages_recorded ON messages (recorded);
        PRAGMA user_version = 1;
        """

    /// Makes the tables in a new file.
    ///
    /// - Throws: `invalid` for a file that is something else.
    static func settle(_ database: Database) throws {
        try database.inTransaction(.immediate) {
            let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
            if found == version { return .commit }
            let isEmpty = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") == 0
            guard found == 0 && isEmpty else {
                throw StorageError(.invalid, "the file is no store of this program's version", operation: .open)
            }
            try database.execute(sql: tables)
            return .commit
        }
    }
}
