import FoundationEssentials
import GRDB
import Storage

/// One page of a listing: a walk along the index of keys.
struct Listing: Sendable {
    let query: ListQuery
    let now: Date

    func page(_ database: Database) throws -> ListPage {
        var builder = ListPageBuilder(query)
        var start: [UInt8]? = Array(query.lowerBound.utf8)
        while let from = start { start = try walk(from, database, &builder) }
        return builder.result
    }

    /// Adds keys from `start` on; where to go on after a prefix that was rolled up, nil at the end.
    private func walk(_ start: [UInt8], _ database: Database, _ builder: inout ListPageBuilder) throws -> [UInt8]? {
        let rows = try Row.fetchCursor(
            try database.cachedStatement(sql: sql), arguments: [Data(start), Timestamp.microseconds(now)])
        while let row = try rows.next() {
            let key = try row.withUnsafeData(atIndex: 0) { $0.flatMap { try? ObjectKey(validating: $0) } }
            guard let key else { continue }
            // Read before the walk goes on, where details are wanted.
            let info = query.details ? try ObjectInfo(row, from: 0) : nil
            switch builder.add(key, info: { info }) {
            case .next: continue
            case .stop: return nil
            // No byte of UTF-8 is as large.
            case .skip(let prefix): return Array(prefix.utf8) + [0xFF]
            }
        }
        return nil
    }

    /// Where only keys are wanted nothing but the index is read.
    private var sql: String {
        """
        SELECT \(query.details ? ObjectRow.infoColumns : "key") FROM objects
        WHERE key >= ? AND id NOT IN (SELECT id FROM objects WHERE expires <= ?) ORDER BY key
        """
    }
}
