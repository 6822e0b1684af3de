package import FoundationEssentials

/// Keys in the order of the times at which their objects expire.
package struct ExpiryOrder: Sendable {
    private struct Expiry: Comparable {
        let time: Date
        let key: ObjectKey

        static func < (left: Expiry, right: Expiry) -> Bool {
            left.time == right.time ? left.key < right.key : left.time < right.time
        }
    }

    private var expiries = SortedBlocks<Expiry>()

    package init() {}

    /// Adds `key`; false where it has that time already.
    @discardableResult
    package mutating func insert(_ key: ObjectKey, at time: Date) -> Bool {
        expiries.insert(Expiry(time: time, key: key))
    }

    /// Removes `key`, whose time it was.
    package mutating func remove(_ key: ObjectKey, at time: Date) {
        expiries.remove(Expiry(time: time, key: key))
    }

    /// The keys whose time is over at `now`, the earliest first.
    package func due(at now: Date, atMost limit: Int) -> [ObjectKey] {
        var due: [ObjectKey] = []
        expiries.walk(from: { _ in false }) { expiry in
            guard expiry.time <= now, due.count < limit else { return .stop }
            due.append(expiry.key)
            return .next
        }
        return due
    }

    /// The same, which are removed.
    package mutating func takeDue(at now: Date, atMost limit: Int) -> [ObjectKey] {
        var due: [Expiry] = []
        expiries.walk(from: { _ in false }) { expiry in
            guard expiry.time <= now, due.count < limit else { return .stop }
            due.append(expiry)
            return .next
        }
        for expiry in due { expiries.remove(expiry) }
        return due.map(\.key)
    }

    /// The key that expires first of all but `kept`, if its time is over at `now`.
    func first(at now: Date, except kept: ObjectKey?) -> ObjectKey? {
        guard let first = expiries.first(where: { $0.key != kept }), first.time <= now else { return nil }
        return first.key
    }
}
