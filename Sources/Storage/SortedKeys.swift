/// A set of keys in order: insertion, removal and seeking cost O(log n) comparisons and the move of one small block.
package struct SortedKeys: Sendable {
    private static let blockCapacity = 512
    /// Sorted blocks of sorted keys; none is empty.
    private var blocks: [[ObjectKey]] = []

    package init() {}

    /// Inserts `key`; no effect where it is present.
    package mutating func insert(_ key: ObjectKey) {
        guard !blocks.isEmpty else {
            blocks = [[key]]
            return
        }
        let block = self.block(for: key)
        let index = Self.lowerBound(blocks[block].count) { blocks[block][$0] < key }
        if index < blocks[block].count, blocks[block][index] == key { return }
        blocks[block].insert(key, at: index)
        if blocks[block].count > Self.blockCapacity { split(block) }
    }

    /// Removes `key`; no effect where it is absent.
    package mutating func remove(_ key: ObjectKey) {
        guard !blocks.isEmpty else { return }
        let block = self.block(for: key)
        let index = Self.lowerBound(blocks[block].count) { blocks[block][$0] < key }
        guard index < blocks[block].count, blocks[block][index] == key else { return }
        blocks[block].remove(at: index)
        if blocks[block].isEmpty { blocks.remove(at: block) }
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
        var (block, index) = position { $0.rawValue.utf8Precedes(start) }
        while block < blocks.count {
            guard index < blocks[block].count else {
                (block, index) = (block + 1, 0)
                continue
            }
            switch body(blocks[block][index]) {
            case .next: index += 1
            case .skip(let prefix):
                (block, index) = position { $0.rawValue.utf8Precedes(prefix) || $0.rawValue.utf8HasPrefix(prefix) }
            case .stop: return
            }
        }
    }

    /// Where the first key is for which `isBefore` is false.
    private func position(_ isBefore: (ObjectKey) -> Bool) -> (block: Int, index: Int) {
        let block = Self.lowerBound(blocks.count) { index in blocks[index].last.map(isBefore) ?? false }
        guard block < blocks.count else { return (block, 0) }
        return (block, Self.lowerBound(blocks[block].count) { isBefore(blocks[block][$0]) })
    }

    /// The block that holds `key`, or would.
    private func block(for key: ObjectKey) -> Int {
        let after = Self.lowerBound(blocks.count) { index in blocks[index].first.map { !(key < $0) } ?? false }
        return max(0, after - 1)
    }

    private mutating func split(_ block: Int) {
        let middle = blocks[block].count / 2
        blocks.insert(Array(blocks[block][middle...]), at: block + 1)
        blocks[block].removeSubrange(middle...)
    }

    /// The first index in `0..<count` for which `isBefore` is false.
    private static func lowerBound(_ count: Int, isBefore: (Int) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
