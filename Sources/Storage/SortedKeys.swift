/// A set of keys in order: insertion, removal and seeking cost O(log n) comparisons and the move of one small block.
package struct SortedKeys: Sendable {
    private var keys = SortedBlocks<ObjectKey>()

    package init() {}

    /// Inserts `key`; no effect where it is present.
    package mutating func insert(_ key: ObjectKey) {
        keys.insert(key)
    }

    /// Removes `key`; no effect where it is absent.
    package mutating func remove(_ key: ObjectKey) {
        keys.remove(key)
    }

    /// Calls `body` for each key at or after `start`, in order, until it returns false.
    package func forEach(from start: String, _ body: (ObjectKey) -> Bool) {
        keys.forEach(from: { $0.rawValue.utf8Precedes(start) }, body)
    }
}
