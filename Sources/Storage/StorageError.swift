/// Why an operation on a store failed, and what to do about it.
///
/// The backend that knows decides kind and class; layers and endpoints only read them.
public struct StorageError: Error, Sendable, CustomStringConvertible {
    /// What went wrong.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Malformed key, query, option or content: the caller's mistake.
        case invalid
        /// No object under that key.
        case notFound = "not_found"
        /// The operation ran into its deadline.
        case timeout
        /// The object's current version is not what the precondition asks for.
        case preconditionFailed = "precondition_failed"
        /// Over a limit of the store, the instance or the connection.
        case tooLarge = "too_large"
        /// The range lies outside the object.
        case rangeNotSatisfiable = "range_not_satisfiable"
        /// The bytes do not hash to the digest given or recorded.
        case digestMismatch = "digest_mismatch"
        /// Over a rate.
        case throttled
        /// A defect, or damaged data.
        case `internal`
        /// The store has no such ability.
        case unsupported
        /// The backend is away, shutting down or full.
        case unavailable
        /// The calling task was cancelled.
        case cancelled
    }

    /// Whether, and after what, a retry can help.
    public enum Class: String, Sendable, Hashable {
        /// The request itself is wrong: never retry it as it is.
        case invalid
        /// Nothing is there.
        case notFound = "not_found"
        /// Somebody else was first: read again, then decide.
        case conflict
        /// The same request may succeed later.
        case transient
        /// A person has to look.
        case fatal
    }

    /// The store's operation that failed.
    public enum Operation: String, Sendable, Hashable {
        case put, get, info, list, delete, setMetadata = "set_metadata", open, watch
    }

    /// What went wrong.
    public var kind: Kind
    /// Whether a retry can help; the kind's usual class unless the backend knew better.
    public var errorClass: Class
    /// A sentence for a person: what failed and what to do.
    public var message: String
    /// The key concerned, where there is one.
    public var key: String?
    /// The operation concerned, where it is known.
    public var operation: Operation?
    /// With `preconditionFailed` and `tooLarge`: the version there is now, if any.
    public var currentVersion: Version?
    /// With `tooLarge` and `rangeNotSatisfiable`: the object's size, where it is known.
    public var size: Int?
    /// With `throttled`: how long to wait.
    public var retryAfter: Duration?
    /// What lies beneath, for logs.
    public var cause: (any Error)?

    /// An error of `kind` and, unless the caller knows better, the kind's usual class.
    public init(
        _ kind: Kind, _ message: String, class errorClass: Class? = nil, key: String? = nil,
        operation: Operation? = nil, cause: (any Error)? = nil
    ) {
        self.kind = kind
        self.errorClass = errorClass ?? kind.usualClass
        self.message = message
        self.key = key
        self.operation = operation
        self.cause = cause
    }

    /// The message with operation and key before it, where the message does not name the key itself.
    public var description: String {
        var parts: [String] = []
        if let operation { parts.append(operation.rawValue) }
        if let key, !message.contains(key) { parts.append("“\(key.abbreviated)”") }
        return parts.isEmpty ? message : parts.joined(separator: " ") + ": " + message
    }

    /// The same error with what was still unknown filled in.
    public func during(_ operation: Operation, key: ObjectKey? = nil) -> StorageError {
        var error = self
        error.operation = self.operation ?? operation
        error.key = self.key ?? key?.rawValue
        return error
    }

    /// A `precondition_failed` that tells the current version.
    public static func preconditionFailed(
        key: ObjectKey, _ precondition: Precondition, current: Version?
    ) -> StorageError {
        let wanted =
            switch precondition {
            case .none: "no condition"
            case .absent: "that nothing is stored there"
            case .matches(let version): "version \(version.description.abbreviated)"
            }
        let found = current.map { "the current version is \($0)" } ?? "nothing is stored there"
        var error = StorageError(
            .preconditionFailed, "“\(key)”: the request asks for \(wanted), but \(found); read it again and decide",
            key: key.rawValue)
        error.currentVersion = current
        return error
    }

    /// The error of a write that may have happened when it failed with `first`, and that, tried again, found its
    /// precondition not to hold: it met itself, or somebody else was first.
    package static func undecided(after first: StorageError, then second: StorageError) -> StorageError {
        var error = first
        error.errorClass = .conflict
        error.message +=
            "; tried again, the write found that its precondition does not hold any more: it may have happened, or "
            + "another one was first; read it again and decide"
        error.currentVersion = second.currentVersion
        return error
    }

    /// A `not_found` for `key`.
    public static func notFound(_ key: ObjectKey) -> StorageError {
        StorageError(.notFound, "no object “\(key)”", key: key.rawValue)
    }

    /// For a task that was cancelled.
    public static let cancelled = StorageError(.cancelled, "the operation was cancelled")
}

extension StorageError.Kind {
    var usualClass: StorageError.Class {
        switch self {
        case .invalid, .tooLarge, .rangeNotSatisfiable, .digestMismatch, .unsupported: .invalid
        case .notFound: .notFound
        case .preconditionFailed: .conflict
        case .timeout, .throttled, .unavailable, .cancelled: .transient
        case .internal: .fatal
        }
    }
}
