import Storage

/// What a store beneath has told of a key.
enum CacheNews: Sendable, Hashable {
    case version(Version)
    /// There is an object, of whichever version.
    case exists
    case absent

    /// What an entry says.
    init(_ entry: CacheEntry) {
        self = entry.info.map { .version($0.version) } ?? .absent
    }

    /// What a failure says; nil where nothing.
    init?(_ error: StorageError) {
        switch error.kind {
        case .notFound: self = .absent
        case .preconditionFailed: self = error.currentVersion.map { .version($0) } ?? .absent
        default: return nil
        }
    }

    /// Whether both can be true of the same time.
    func agrees(with other: CacheNews) -> Bool {
        switch (self, other) {
        case (.exists, .absent), (.absent, .exists): false
        case (.exists, _), (_, .exists): true
        default: self == other
        }
    }
}
