import FoundationEssentials
import GRDB
import Storage

/// Where an object's bytes are.
enum Content: Sendable {
    case inline([UInt8])
    /// The number of a body that was uploaded.
    case body(Int64)
}

/// The changes of a store, each within a transaction.
struct Changes: Sendable {
    static let messageWindow = 120.0

    let now: Date
    let readerGrace: Duration

    /// Makes an object visible if the precondition holds, or tells the info of the first put with its message id.
    func put(
        _ info: ObjectInfo, _ content: Content, _ options: PutOptions, in database: Database
    ) throws -> ObjectInfo {
        let id = options.messageID.map { Data(Digest(of: $0.utf8).bytes) }
        if let id, let first = try self.first(id, in: database) { return first }
        let current = try current(info.key, in: database)
        try check(options.precondition, current, info.key)
        var (body, bytes): (Int64?, Data?) = (nil, nil)
        switch content {
        case .inline(let inline): bytes = Data(inline)
        case .body(let number):
            try claim(number, in: database)
            body = number
        }
        if let current {
            try loosen(current.body, in: database)
            try database.cachedStatement(
                sql: """
                    UPDATE objects SET key = ?, version = ?, size = ?, digest = ?, modified = ?, expires = ?,
                    attributes = ?, body = ?, bytes = ? WHERE id = ?
                    """
            ).execute(arguments: StatementArguments(info.columns + [body, bytes, current.id]))
        } else {
            try database.cachedStatement(
                sql: "INSERT INTO objects (\(ObjectRow.infoColumns), body, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            ).execute(arguments: StatementArguments(info.columns + [body, bytes]))
        }
        if let id { try record(id, info, in: database) }
        return info
    }

    /// Whether there was an object that had not expired.
    func delete(_ key: ObjectKey, _ precondition: Precondition, in database: Database) throws -> Bool {
        let current = try current(key, in: database)
        try check(precondition, current, key)
        guard let current else { return false }
        try remove(current.id, current.body, in: database)
        return !current.info.isExpired(at: now)
    }

    func setAttributes(
        _ key: ObjectKey, _ attributes: ObjectAttributes, _ precondition: Precondition, in database: Database
    ) throws -> ObjectInfo {
        guard let current = try current(key, in: database), !current.info.isExpired(at: now) else {
            throw StorageError.notFound(key)
        }
        try check(precondition, current, key)
        var info = current.info
        info.attributes = attributes
        info.version = .random()
        try database.cachedStatement(sql: "UPDATE objects SET version = ?, attributes = ? WHERE id = ?")
            .execute(arguments: [info.version.stored, AttributesText.encode(attributes), current.id])
        return info
    }

    /// Removes some objects that have expired; how many.
    func removeExpired(in database: Database) throws -> Int {
        let statement = try database.cachedStatement(sql: "SELECT id, body FROM objects WHERE expires <= ? LIMIT 500")
        let rows = try Row.fetchAll(statement, arguments: [Timestamp.microseconds(now)])
        for row in rows { try remove(row[0], row[1], in: database) }
        return rows.count
    }

    /// Forgets the ids of before the duplicate window; how many.
    func removeMessages(in database: Database) throws -> Int {
        try database.cachedStatement(sql: "DELETE FROM messages WHERE recorded < ?")
            .execute(arguments: [windowStart])
        return database.changesCount
    }

    private func current(_ key: ObjectKey, in database: Database) throws -> ObjectRow? {
        let sql = "SELECT id, body, \(ObjectRow.infoColumns) FROM objects WHERE key = ?"
        return try database.first(sql, [Data(key.rawValue.utf8)]) { try ObjectRow($0) }
    }

    private func check(_ precondition: Precondition, _ current: ObjectRow?, _ key: ObjectKey) throws {
        let version = current.flatMap { $0.info.isExpired(at: now) ? nil : $0.info.version }
        try precondition.check(version, of: key)
    }

    private func remove(_ id: Int64, _ body: Int64?, in database: Database) throws {
        try loosen(body, in: database)
        try database.cachedStatement(sql: "DELETE FROM objects WHERE id = ?").execute(arguments: [id])
    }

    /// Leaves a body to the sweep, once those who read it have had their time.
    private func loosen(_ body: Int64?, in database: Database) throws {
        guard let body else { return }
        let until = Timestamp.microseconds(now.addingTimeInterval(readerGrace.seconds))
        try database.cachedStatement(sql: "INSERT INTO loose (body, until) VALUES (?, ?)")
            .execute(arguments: [body, until])
    }

    /// Takes an uploaded body for an object.
    private func claim(_ body: Int64, in database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM loose WHERE body = ? AND until >= 0").execute(arguments: [body])
        guard database.changesCount == 1 else { throw Bodies.lost }
    }

    private var windowStart: Int64 { Timestamp.microseconds(now.addingTimeInterval(-Self.messageWindow)) }

    private func first(_ id: Data, in database: Database) throws -> ObjectInfo? {
        let sql = "SELECT \(ObjectRow.infoColumns) FROM messages WHERE id = ? AND recorded >= ?"
        return try database.first(sql, [id, windowStart]) { try ObjectInfo($0, from: 0) }
    }

    private func record(_ id: Data, _ info: ObjectInfo, in database: Database) throws {
        try database.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO messages (id, recorded, \(ObjectRow.infoColumns))
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: StatementArguments([id, Timestamp.microseconds(now)] + info.columns))
    }
}
