import GRDB
import Storage
import Testing

@testable import SQLiteStorage

extension SQLiteStoreTests {
    /// Whoever found the store open, and is queued behind its closing.
    @Test func aChangeBehindTheClosingIsRefused() async throws {
        let writes = WriteQueue(try DatabaseQueue(), try IOThreads(count: 1))
        try await writes.write { database in try database.execute(sql: "CREATE TABLE t (a)") }
        await writes.end()
        await #expect {
            try await writes.write { database in try database.execute(sql: "INSERT INTO t VALUES (1)") }
        } throws: {
            let error = $0 as? StorageError
            return error?.kind == .unavailable && error?.errorClass == .transient && error?.cause == nil
        }
    }
}
