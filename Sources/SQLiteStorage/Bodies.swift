import FoundationEssentials
import GRDB
import Storage

/// Bodies too large for a row: written chunk by chunk while nothing refers to them, removed the same way.
struct Bodies: Sendable {
    static let lost = StorageError(
        .unavailable, "the upload stood still for too long and its bytes were cleaned up; put the object again")
    /// How many chunks one transaction removes, so that others come in between.
    private static let removedAtOnce: Int64 = 64

    let connections: Connections
    let grace: Duration
    let now: @Sendable () -> Date

    private var deadline: Int64 { Timestamp.microseconds(now().addingTimeInterval(grace.seconds)) }

    /// The number of a new body, which is swept unless it goes on.
    func begin() async throws(StorageError) -> Int64 {
        let deadline = deadline
        return try await connections.write { database in
            try database.statement("INSERT INTO loose (until) VALUES (?)").run(.integer(deadline))
            return database.lastInsertedRowID
        }
    }

    /// Keeps a body from being swept for another grace.
    func renew(_ body: Int64) async throws(StorageError) {
        let deadline = deadline
        try await connections.write { database in try Self.renew(body, until: deadline, in: database) }
    }

    private static func renew(_ body: Int64, until deadline: Int64, in database: Database) throws {
        try database.statement("UPDATE loose SET until = ? WHERE body = ? AND until >= 0")
            .run(.integer(deadline), .integer(body))
        guard database.changesCount == 1 else { throw lost }
    }

    /// Writes chunks from place `first` on.
    func append(_ chunks: [[UInt8]], to body: Int64, at first: Int) async throws(StorageError) {
        guard Int64(first + chunks.count) < Schema.chunksOfBody else {
            throw StorageError(.tooLarge, "an object has at most \(Schema.largest) bytes")
        }
        let ids = try Self.ids(of: body)
        let deadline = deadline
        try await connections.write { database in
            try Self.renew(body, until: deadline, in: database)
            let insert = try database.statement("INSERT INTO chunks (id, bytes) VALUES (?, ?)")
            for (index, chunk) in chunks.enumerated() {
                try insert.run(.integer(ids.lowerBound + Int64(first + index)), .bytes(chunk))
            }
        }
    }

    /// The bytes of an object at the beginning of `rest`, as far as the chunk goes that holds them.
    func read(_ rest: Range<Int>, of body: Int64, _ info: ObjectInfo) async throws(StorageError) -> [UInt8] {
        let place = rest.lowerBound / Schema.chunk
        let start = place * Schema.chunk
        let ids = try Self.ids(of: body)
        guard place < ids.count else { throw Self.damaged(info) }
        let bytes = try await chunk(ids.lowerBound + Int64(place))
        guard bytes.count == min(Schema.chunk, info.size - start) else { throw Self.damaged(info) }
        let part = rest.lowerBound - start..<min(rest.upperBound - start, bytes.count)
        return part.count < bytes.count ? Array(bytes[part]) : bytes
    }

    static func damaged(_ info: ObjectInfo) -> StorageError {
        StorageError(.internal, "the bytes of “\(info.key)” are damaged", key: info.key.rawValue)
    }

    /// The bytes of one chunk.
    ///
    /// - Throws: `unavailable` where the object was replaced or deleted so long ago that they are gone.
    private func chunk(_ id: Int64) async throws(StorageError) -> [UInt8] {
        let bytes = try await connections.read { connection in
            if connection.isHurried { throw ReadConnection.TakesLong() }
            return try connection.statement(.chunk).first(.integer(id)) { Array($0.bytes(0)) }
        }
        guard let bytes else {
            throw StorageError(.unavailable, "the object was replaced or deleted while it was read; get it again")
        }
        return bytes
    }

    /// Removes a body that nothing refers to, a few chunks at a time, if its time ended before `time`; whether it did.
    func remove(_ body: Int64, dueBefore time: Int64 = .max) async throws(StorageError) -> Bool {
        // Its upload, should it still be under way, is told so. One that went on, or became an object's, stays.
        let isDue = try await connections.write { database in
            try database.statement("UPDATE loose SET until = -1 WHERE body = ? AND until < ?")
                .run(.integer(body), .integer(time))
            return database.changesCount == 1
        }
        guard isDue else { return false }
        while try await removeSome(body) {}
        return true
    }

    /// Whether there may be more.
    private func removeSome(_ body: Int64) async throws(StorageError) -> Bool {
        // A number that no body has is of no chunks.
        let ids = (try? Self.ids(of: body)) ?? 0..<0
        return try await connections.write { database in
            try database.statement(
                "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE id >= ? AND id < ? LIMIT ?)"
            ).run(.integer(ids.lowerBound), .integer(ids.upperBound), .integer(Self.removedAtOnce))
            if database.changesCount == Int(Self.removedAtOnce) { return true }
            try database.statement("DELETE FROM loose WHERE body = ?").run(.integer(body))
            return false
        }
    }

    /// Removes the bodies whose time is over; how many.
    func sweep() async throws(StorageError) -> Int {
        let time = Timestamp.microseconds(now())
        let found = try await connections.read { connection in
            if connection.isHurried { throw ReadConnection.TakesLong() }
            var found: [Int64] = []
            try connection.statement(.loose).forEachRow([.integer(time)]) { row in
                found.append(row.integer(0))
                return true
            }
            return found
        }
        var count = 0
        for body in found where try await remove(body, dueBefore: time) { count += 1 }
        return count
    }

    /// The ids that chunks of a body have.
    ///
    /// - Throws: `internal` for a number that no upload was given: somebody else wrote it into the file.
    private static func ids(of body: Int64) throws(StorageError) -> Range<Int64> {
        guard (0..<Int64.max / Schema.chunksOfBody).contains(body) else {
            throw StorageError(.internal, "a row of the store is damaged")
        }
        return body * Schema.chunksOfBody..<(body + 1) * Schema.chunksOfBody
    }
}
