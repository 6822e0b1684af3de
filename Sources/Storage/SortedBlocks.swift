/// Elements in order, each once: insertion, removal and seeking cost O(log n) comparisons and the move of one small block.
struct SortedBlocks<Element: Comparable & Sendable>: Sendable {
    private static var capacity: Int { 512 }
    /// Sorted blocks of sorted elements; none is empty.
    private var blocks: [[Element]] = []

    /// Inserts `element`; false, and no effect, where it is present.
    @discardableResult
    mutating func insert(_ element: Element) -> Bool {
        guard !blocks.isEmpty else {
            blocks = [[element]]
            return true
        }
        let block = block(for: element)
        let index = Self.lowerBound(blocks[block].count) { blocks[block][$0] < element }
        if index < blocks[block].count, blocks[block][index] == element { return false }
        blocks[block].insert(element, at: index)
        if blocks[block].count > Self.capacity { split(block) }
        return true
    }

    /// Removes `element`; no effect where it is absent.
    mutating func remove(_ element: Element) {
        guard !blocks.isEmpty else { return }
        let block = block(for: element)
        let index = Self.lowerBound(blocks[block].count) { blocks[block][$0] < element }
        guard index < blocks[block].count, blocks[block][index] == element else { return }
        blocks[block].remove(at: index)
        if blocks[block].count < Self.capacity / 8 { join(block) }
    }

    /// The first element for which `condition` holds.
    func first(where condition: (Element) -> Bool) -> Element? {
        for block in blocks {
            if let found = block.first(where: condition) { return found }
        }
        return nil
    }

    /// What a walk does after an element.
    enum Step {
        case next
        /// Goes on at the first element for which this is false.
        case seek((Element) -> Bool)
        case stop
    }

    /// Calls `body` for the elements from the first one on for which `isBefore` is false, in order, as it says.
    func walk(from isBefore: (Element) -> Bool, _ body: (Element) -> Step) {
        var (block, index) = position(isBefore)
        while block < blocks.count {
            guard index < blocks[block].count else {
                (block, index) = (block + 1, 0)
                continue
            }
            switch body(blocks[block][index]) {
            case .next: index += 1
            case .seek(let isBefore): (block, index) = position(isBefore)
            case .stop: return
            }
        }
    }

    /// Where the first element is for which `isBefore` is false.
    private func position(_ isBefore: (Element) -> Bool) -> (block: Int, index: Int) {
        let block = Self.lowerBound(blocks.count) { index in blocks[index].last.map(isBefore) ?? false }
        guard block < blocks.count else { return (block, 0) }
        return (block, Self.lowerBound(blocks[block].count) { isBefore(blocks[block][$0]) })
    }

    /// The block that holds `element`, or would.
    private func block(for element: Element) -> Int {
        let after = Self.lowerBound(blocks.count) { index in blocks[index].first.map { !(element < $0) } ?? false }
        return max(0, after - 1)
    }

    private mutating func split(_ block: Int) {
        let middle = blocks[block].count / 2
        blocks.insert(Array(blocks[block][middle...]), at: block + 1)
        blocks[block].removeSubrange(middle...)
    }

    /// Makes one block of a small one and its neighbour, so that blocks stay few however elements go.
    private mutating func join(_ block: Int) {
        let left = block == 0 ? 0 : block - 1
        guard left + 1 < blocks.count else {
            if blocks[block].isEmpty { blocks.remove(at: block) }
            return
        }
        blocks[left] += blocks.remove(at: left + 1)
        if blocks[left].count > Self.capacity { split(left) }
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
