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
        let id = options.messageID.map { Digest(of: $0.utf8).bytes }
        if let id, let first = try self.first(id, in: database) { return first }
        let current = try current(info.key, in: database)
        try check(options.precondition, current, info.key)
        var (body, bytes): (Int64?, [UInt8]?) = (nil, nil)
        switch content {
        case .inline(let inline): bytes = inline
        case .body(let number):
            try claim(number, in: database)
            body = number
        }
        let values = info.columns + [.integer(body), .bytes(bytes)]
        if let current {
            try loosen(current.body, in: database)
            try database.statement(Self.replace).forEachRow(values + [.integer(current.id)]) { _ in true }
        } else {
            try database.statement(Self.insert).forEachRow(values) { _ in true }
        }
        if let id { try record(id, info, in: database) }
        return info
    }

    private static let insert = """
        INSERT INTO objects (\(ObjectRow.infoColumns), body, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    private static let replace = """
        UPDATE objects SET key = ?, version = ?, size = ?, digest = ?, modified = ?, expires = ?, attributes = ?,
        body = ?, bytes = ? WHERE id = ?
        """

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
        try database.statement("UPDATE objects SET version = ?, attributes = ? WHERE id = ?")
            .run(.integer(info.version.stored), .bytes(AttributesText.encode(attributes)), .integer(current.id))
        return info
    }

    /// How many expired objects, or message ids, one transaction removes, so that others come in between.
    static let removedAtOnce = 256

    /// Removes some objects that have expired, those first whose time was over first; what they were.
    func removeExpired(in database: Database) throws -> [ObjectInfo] {
        var rows: [ObjectRow] = []
        let parameters: [Statement.Parameter] = [
            .integer(Timestamp.microseconds(now)), .integer(Int64(Self.removedAtOnce)),
        ]
        try database.statement(Self.expired).forEachRow(parameters) { row in
            if let row = try? ObjectRow(row) { rows.append(row) }
            return true
        }
        for row in rows { try remove(row.id, row.body, in: database) }
        return rows.map(\.info)
    }

    private static let expired = """
        SELECT id, body, \(ObjectRow.infoColumns) FROM objects WHERE expires <= ? ORDER BY expires LIMIT ?
        """

    /// Forgets some of the ids of before the duplicate window; how many.
    func removeMessages(in database: Database) throws -> Int {
        try database.statement(Self.oldMessages).run(.integer(windowStart), .integer(Int64(Self.removedAtOnce)))
        return database.changesCount
    }

    private static let oldMessages = """
        DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE recorded < ? ORDER BY recorded LIMIT ?)
        """

    private static let current = "SELECT id, body, \(ObjectRow.infoColumns) FROM objects WHERE key = ?"

    private func current(_ key: ObjectKey, in database: Database) throws -> ObjectRow? {
        try database.statement(Self.current).first(.text(key.rawValue)) { try ObjectRow($0, of: key) }
    }

    private func check(_ precondition: Precondition, _ current: ObjectRow?, _ key: ObjectKey) throws {
        let version = current.flatMap { $0.info.isExpired(at: now) ? nil : $0.info.version }
        try precondition.check(version, of: key)
    }

    private func remove(_ id: Int64, _ body: Int64?, in database: Database) throws {
        try loosen(body, in: database)
        try database.statement("DELETE FROM objects WHERE id = ?").run(.integer(id))
    }

    /// Leaves a body to the sweep, once those who read it have had their time.
    private func loosen(_ body: Int64?, in database: Database) throws {
        guard let body else { return }
        let until = Timestamp.microseconds(now.addingTimeInterval(readerGrace.seconds))
        try database.statement("INSERT INTO loose (body, until) VALUES (?, ?)").run(.integer(body), .integer(until))
    }

    /// Takes an uploaded body for an object.
    private func claim(_ body: Int64, in database: Database) throws {
        try database.statement("DELETE FROM loose WHERE body = ? AND until >= 0").run(.integer(body))
        guard database.changesCount == 1 else { throw Bodies.lost }
    }

    private var windowStart: Int64 { Timestamp.microseconds(now.addingTimeInterval(-Self.messageWindow)) }

    private static let firstPut = "SELECT \(ObjectRow.infoColumns) FROM messages WHERE id = ? AND recorded >= ?"
    private static let recordPut = """
        INSERT OR REPLACE INTO messages (id, recorded, \(ObjectRow.infoColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """

    private func first(_ id: [UInt8], in database: Database) throws -> ObjectInfo? {
        try database.statement(Self.firstPut).first(.bytes(id), .integer(windowStart)) { try ObjectInfo($0, from: 0) }
    }

    private func record(_ id: [UInt8], _ info: ObjectInfo, in database: Database) throws {
        let values = [.bytes(id), .integer(Timestamp.microseconds(now))] + info.columns
        try database.statement(Self.recordPut).forEachRow(values) { _ in true }
    }
}
