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

    /// What a walk does after a key.
    package enum Step {
        case next
        /// Passes over every key that begins with this text, at the cost of a search.
        case skip(prefix: String)
        case stop
    }

    /// Calls `body` for the keys at or after `start`, in order, as it says.
    package func walk(from start: String, _ body: (ObjectKey) -> Step) {
        keys.walk(from: { $0.rawValue.utf8Precedes(start) }) { key in
            switch body(key) {
            case .next: .next
            case .skip(let prefix): .seek { $0.rawValue.utf8Precedes(prefix) || $0.rawValue.utf8HasPrefix(prefix) }
            case .stop: .stop
            }
        }
    }
}
