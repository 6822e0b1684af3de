import GRDB
import Storage

extension StorageError {
    /// What a failure of the database means for the store's caller.
    static func database(_ error: any Error) -> StorageError {
        if let error = error as? StorageError { return error }
        guard let error = error as? DatabaseError else { return StorageError(.internal, "\(error)", cause: error) }
        let (kind, errorClass, advice) = Self.classify(error.resultCode)
        // Without the statement and its values: they may be large, and are not the caller's.
        let message = "SQLite: \(error.message ?? "error") (\(error.extendedResultCode.rawValue))\(advice)"
        return StorageError(kind, message, class: errorClass, cause: error)
    }

    private static func classify(_ code: ResultCode) -> (Kind, Class?, String) {
        switch code {
        case .SQLITE_FULL: (.unavailable, nil, "; free some space")
        case .SQLITE_BUSY, .SQLITE_LOCKED: (.unavailable, nil, "; another process holds the database: try again")
        case .SQLITE_NOMEM, .SQLITE_INTERRUPT, .SQLITE_PROTOCOL: (.unavailable, nil, "; try again")
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_CANTOPEN, .SQLITE_AUTH:
            (.unavailable, .fatal, "; the file and its folder must be writable for this process")
        case .SQLITE_TOOBIG: (.tooLarge, nil, "")
        case .SQLITE_NOTADB: (.invalid, nil, "; the file is no SQLite database")
        default: (.internal, nil, "")
        }
    }
}
