import Glibc
import Storage

/// A system call that failed: the cause of the errors that a file store throws.
public struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The `errno`.
    public let code: Int32
    /// What was attempted, for a person.
    public let attempt: String

    /// Whether this is how a file system that has no hard links refuses one to a file that has no other.
    static func isWithoutLinks(_ code: Int32) -> Bool { [EPERM, EOPNOTSUPP, ENOSYS, EMLINK].contains(code) }

    /// The attempt and the system's own words.
    public var description: String { "\(attempt): \(String(cString: strerror(code)))" }
}

extension StorageError {
    /// What `errno` says about a system call that has just failed.
    static func system(_ attempt: String, _ code: Int32 = errno) -> StorageError {
        let cause = SystemError(code: code, attempt: attempt)
        let (kind, errorClass, advice) = Self.classify(code)
        return StorageError(kind, "\(cause)\(advice)", class: errorClass, cause: cause)
    }

    /// The `errno` behind it, where there is one.
    var systemCode: Int32? { (cause as? SystemError)?.code }

    /// The same of a write that was made and may not last: it must not be told as one that left nothing.
    var afterCommit: StorageError {
        var error = self
        error.kind = .unavailable
        error.message += "; the change is made, but may not survive a power failure"
        return error
    }

    private static func classify(_ code: Int32) -> (Kind, Class?, String) {
        switch code {
        case ENOSPC, EDQUOT: (.unavailable, nil, "; free some space")
        case EMFILE, ENFILE, ENOMEM, ENOBUFS, EAGAIN, EBUSY, EINTR, ESTALE, ETIMEDOUT:
            (.unavailable, nil, "; try again")
        case EACCES, EPERM, EROFS: (.unavailable, .fatal, "; the store's folder must be writable for this process")
        case EFBIG: (.tooLarge, nil, "")
        case ENAMETOOLONG: (.invalid, nil, "; the file system takes no name as long")
        case ELOOP, EXDEV: (.internal, nil, "; there is a symbolic link in the store's folder")
        default: (.internal, nil, "")
        }
    }
}
