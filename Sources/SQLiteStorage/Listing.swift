import Storage

/// One page of a listing: a walk along the index of keys.
struct Listing: Sendable {
    /// How many rows a thread of Swift's own walks over.
    private static let shortWalk = 4096

    let query: ListQuery
    let now: Int64

    func page(_ connection: inout ReadConnection) throws -> ListPage {
        try connection.consistently { connection in
            var builder = ListPageBuilder(query)
            // Mostly nothing has expired that is not gone yet: then no row has to be asked.
            let hasExpired = try connection.statement(.hasExpired).first(.integer(now)) { _ in true } ?? false
            var start: [UInt8]? = Array(query.lowerBound.utf8)
            while let from = start { start = try walk(from, &connection, &builder, hasExpired) }
            return builder.result
        }
    }

    /// Adds keys from `start` on; where to go on after a prefix that was rolled up, nil at the end.
    private func walk(
        _ start: [UInt8], _ connection: inout ReadConnection, _ builder: inout ListPageBuilder, _ hasExpired: Bool
    ) throws -> [UInt8]? {
        var (next, count) = ([UInt8]?.none, 0)
        let isHurried = connection.isHurried
        let parameters = [Statement.Parameter.bytes(start)] + (hasExpired ? [.integer(now)] : [])
        try connection.statement(kind(hasExpired)).forEachRow(parameters) { row in
            count += 1
            if isHurried && count > Self.shortWalk { throw ReadConnection.TakesLong() }
            guard let key = ObjectKey(row.bytes(0)) else { return true }
            switch try add(key, row, to: &builder) {
            case .next: return true
            case .stop: return false
            case .skip(let prefix):
                // No byte of UTF-8 is as large.
                next = Array(prefix.utf8) + [0xFF]
                return false
            }
        }
        return next
    }

    private func add(
        _ key: ObjectKey, _ row: Statement.Row, to builder: inout ListPageBuilder
    ) throws -> SortedKeys.Step {
        guard query.details else { return builder.add(key) { nil } }
        // Read before the walk goes on.
        let info = try ObjectInfo(row, from: 0, of: key)
        return builder.add(key) { info }
    }

    private func kind(_ hasExpired: Bool) -> ReadConnection.Query {
        hasExpired ? (query.details ? .liveInfos : .liveKeys) : (query.details ? .infos : .keys)
    }
}
