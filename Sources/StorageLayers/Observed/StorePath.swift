public import Storage

/// Text that names one object or, with segments that are `*`, every object that matches.
///
/// For interfaces where both come as plain text. Elsewhere a key may hold `*` as an ordinary character, and a pattern
/// is a type of its own.
public enum StorePath: Sendable, Hashable {
    /// One object.
    case key(ObjectKey)
    /// What matches.
    case glob(KeyPattern)

    /// Parses `text`: a glob where any segment is `*`.
    ///
    /// - Throws: `StorageError.invalidPath(_:)`.
    public init(parsing text: String) throws(StorageError) {
        do throws(StorageError) {
            let isGlob = text.utf8.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual("*".utf8) }
            self = isGlob ? .glob(try KeyPattern(validating: text)) : .key(try ObjectKey(validating: text))
        } catch {
            throw .invalidPath(error.message)
        }
    }

    /// The one key that `text` names.
    ///
    /// - Throws: `invalidPath`, `StorageError.globNotAllowed(_:)`.
    public static func key(parsing text: String) throws(StorageError) -> ObjectKey {
        guard case .key(let key) = try StorePath(parsing: text) else { throw .globNotAllowed(text) }
        return key
    }

    /// The pattern that `text` is.
    ///
    /// - Throws: `invalidPath`, `StorageError.globRequired(_:)`.
    public static func glob(parsing text: String) throws(StorageError) -> KeyPattern {
        guard case .glob(let pattern) = try StorePath(parsing: text) else { throw .globRequired(text) }
        return pattern
    }
}

extension StorageError {
    /// `invalid`: the text is no path, for this reason.
    public static func invalidPath(_ reason: String) -> StorageError {
        StorageError(.invalid, "invalid path: \(reason)")
    }

    /// `invalid`: a glob where one object has to be named.
    public static func globNotAllowed(_ path: String) -> StorageError {
        StorageError(.invalid, "“\(path.abbreviated)” is a glob, but one object has to be named here", key: path)
    }

    /// `invalid`: one object's path where a glob is needed.
    public static func globRequired(_ path: String) -> StorageError {
        StorageError(.invalid, "“\(path.abbreviated)” has no “*” segment, but a glob is needed here", key: path)
    }

    /// `unavailable`: the store was shut down.
    public static let notActive = StorageError(.unavailable, "the store is not active: it was shut down")
}

extension Store {
    /// The infos of what matches, in order of the keys: `limit` of them after the first `offset`.
    ///
    /// Walks what comes before, page by page: to go through everything, list with `startAfter` instead.
    ///
    /// - Throws: `invalid` for a negative offset or limit; what a listing throws.
    public func infos(
        matching pattern: KeyPattern, offset: Int = 0, limit: Int = 1000
    ) async throws(StorageError) -> [ObjectInfo] {
        guard offset >= 0, limit >= 0 else {
            throw StorageError(.invalid, "offset \(offset) or limit \(limit) is negative", operation: .list)
        }
        var (infos, toSkip) = ([ObjectInfo](), offset)
        var query = ListQuery(pattern: pattern)
        while infos.count < limit {
            // Details are wanted of what is returned alone.
            query.details = toSkip == 0
            let wanted = toSkip == 0 ? limit - infos.count : toSkip
            query.limit = Swift.min(wanted, ListQuery.maximumLimit)
            let page = try await list(query)
            if toSkip > 0 { toSkip -= page.keys.count } else { infos += page.objects ?? [] }
            guard let next = page.next else { break }
            query.startAfter = next
        }
        return infos
    }

    /// The object at a path, which must be no glob.
    public func get(path: String) async throws(StorageError) -> StoredObject {
        try await get(StorePath.key(parsing: path))
    }

    /// The infos of what a glob matches.
    public func infos(
        path: String, offset: Int = 0, limit: Int = 1000
    ) async throws(StorageError) -> [ObjectInfo] {
        try await infos(matching: StorePath.glob(parsing: path), offset: offset, limit: limit)
    }

    /// Deletes what a path names: one object, or all that match a glob; how many there were.
    @discardableResult
    public func delete(path: String) async throws(StorageError) -> Int {
        switch try StorePath(parsing: path) {
        case .key(let key): return try await delete(key) ? 1 : 0
        case .glob(let pattern):
            var count = 0
            for try await key in keys(ListQuery(pattern: pattern)) where try await delete(key) { count += 1 }
            return count
        }
    }
}
