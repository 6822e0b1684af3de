/// Keys from the one used last to the one used longest ago; every change takes the same short time.
package struct RecencyList: Sendable {
    private struct Node {
        var key: ObjectKey?
        var newer = none
        var older = none
    }

    private static let none = -1

    private var nodes: [Node] = []
    private var free: [Int] = []
    private var newest = none
    private var oldest = none

    /// An empty list.
    package init() {}

    /// The key used longest ago.
    package var last: ObjectKey? { oldest == Self.none ? nil : nodes[oldest].key }

    /// The key used longest ago of all but `kept`.
    func last(except kept: ObjectKey) -> ObjectKey? {
        guard last == kept, nodes[oldest].newer != Self.none else { return last == kept ? nil : last }
        return nodes[nodes[oldest].newer].key
    }

    /// Makes `key` the one used last; its place, for later.
    package mutating func insert(_ key: ObjectKey) -> Int {
        let place = newPlace(key)
        linkNewest(place)
        return place
    }

    /// Makes `key` the one used longest ago; its place, for later.
    package mutating func insertOldest(_ key: ObjectKey) -> Int {
        let place = newPlace(key)
        nodes[place].newer = oldest
        if oldest == Self.none { newest = place } else { nodes[oldest].older = place }
        oldest = place
        return place
    }

    private mutating func newPlace(_ key: ObjectKey) -> Int {
        let place = free.popLast() ?? nodes.count
        if place == nodes.count { nodes.append(Node(key: key)) } else { nodes[place] = Node(key: key) }
        return place
    }

    /// Makes the key at `place` the one used last.
    package mutating func use(_ place: Int) {
        guard place != newest else { return }
        unlink(place)
        linkNewest(place)
    }

    /// Removes the key at `place`.
    package mutating func remove(_ place: Int) {
        unlink(place)
        nodes[place] = Node()
        free.append(place)
    }

    private mutating func unlink(_ place: Int) {
        let (newer, older) = (nodes[place].newer, nodes[place].older)
        if newer == Self.none { newest = older } else { nodes[newer].older = older }
        if older == Self.none { oldest = newer } else { nodes[older].newer = newer }
    }

    private mutating func linkNewest(_ place: Int) {
        nodes[place].newer = Self.none
        nodes[place].older = newest
        if newest == Self.none { oldest = place } else { nodes[newest].newer = place }
        newest = place
    }
}
