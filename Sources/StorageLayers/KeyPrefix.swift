import Storage

/// The path that all keys of a prefixed store lie beneath, and the ways to and from it.
struct KeyPrefix: Sendable {
    /// It ends with a `/`.
    let text: String

    /// Validates a path; a `/` at its end may be left out.
    init(validating path: String) throws(StorageError) {
        let text = path.hasSuffix("/") ? path : path + "/"
        let key = try ObjectKey(validating: String(text.dropLast()))
        let segments = key.rawValue.utf8.split(separator: UInt8(ascii: "/"))
        guard !segments.contains(where: { $0.elementsEqual("*".utf8) }) else {
            throw StorageError(
                .invalid, "prefix “\(path.abbreviated)” has a segment “*”, which patterns could not name")
        }
        guard text.utf8.count < ObjectKey.maximumBytes else {
            throw StorageError(.invalid, "prefix “\(path.abbreviated)” leaves no room for keys: they have 1024 bytes")
        }
        self.text = text
    }

    /// The key beneath the prefix.
    func inner(_ key: ObjectKey) throws(StorageError) -> ObjectKey {
        guard let inner = ObjectKey(text + key.rawValue) else {
            throw StorageError(
                .invalid,
                "key “\(key.rawValue.abbreviated)” has more than \(ObjectKey.maximumBytes - text.utf8.count) bytes, "
                    + "which is what the store's prefix leaves", key: key.rawValue)
        }
        return inner
    }

    /// The key as users of the layer know it.
    func outer(_ key: ObjectKey) throws(StorageError) -> ObjectKey {
        guard let rest = outer(key.rawValue), let outer = ObjectKey(rest) else {
            throw StorageError(.internal, "the store beneath told of “\(key)”, which does not begin with “\(text)”")
        }
        return outer
    }

    /// What follows the prefix; nil where `inner` begins with something else.
    func outer(_ inner: String) -> String? {
        inner.utf8HasPrefix(text) ? String(decoding: inner.utf8.dropFirst(text.utf8.count), as: UTF8.self) : nil
    }

    func outer(_ info: ObjectInfo) throws(StorageError) -> ObjectInfo {
        var info = info
        info.key = try outer(info.key)
        return info
    }

    /// The pattern beneath the prefix; nil where it is so long that no key can match.
    func inner(_ pattern: KeyPattern) -> KeyPattern? { KeyPattern(text + pattern.rawValue) }

    /// The same error, speaking of `key` as users know it.
    func outer(_ error: StorageError, _ key: ObjectKey?) -> StorageError {
        var error = error
        guard let key else { return error }
        error.message = error.message.replacing(text + key.rawValue, with: key.rawValue)
        error.key = key.rawValue
        return error
    }
}
