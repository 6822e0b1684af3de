/// For stores whose keys lie behind a text of their own in a bucket that others use too.
extension ObjectKey {
    /// Whether keys can begin with `prefix`: it is empty, or a key, or a key and a `/`.
    package static func canBegin(with prefix: String) -> Bool {
        prefix.isEmpty || ObjectKey(prefix.hasSuffix("/") ? String(prefix.dropLast()) : prefix) != nil
    }

    /// The key with `prefix` before it; `invalid` where that is longer than a key may be.
    package func behind(_ prefix: String) throws(StorageError) -> String {
        let full = prefix + rawValue
        guard full.utf8.count <= Self.maximumBytes else {
            throw StorageError(.invalid, "with the prefix “\(prefix)” the key has more than \(Self.maximumBytes) bytes")
        }
        return full
    }
}
