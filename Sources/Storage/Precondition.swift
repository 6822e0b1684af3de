/// What has to hold for a write to happen.
public enum Precondition: Sendable, Hashable {
    /// Nothing: the write always happens.
    case none
    /// Nothing is stored under the key: create only.
    case absent
    /// This is the current version.
    case matches(Version)

    /// Whether it holds for what is there now.
    public func holds(for current: Version?) -> Bool {
        switch self {
        case .none: true
        case .absent: current == nil
        case .matches(let version): current == version
        }
    }

    /// Throws `preconditionFailed`, with the current version, unless it holds for what is under `key` now.
    public func check(_ current: Version?, of key: ObjectKey) throws(StorageError) {
        guard holds(for: current) else { throw .preconditionFailed(key: key, self, current: current) }
    }

    /// What a read asks for: this version, or none where it says nothing.
    public init(ifMatch version: Version?) {
        self = version.map { .matches($0) } ?? .none
    }
}
