import FoundationEssentials
import Storage

/// What is known of the copies that an upper tier holds.
struct TierTable {
    /// Cold's info of a version; a class, since copying its many parts costs more than finding it.
    final class Known: Sendable {
        let info: ObjectInfo

        init(_ info: ObjectInfo) {
            self.info = info
        }
    }

    struct Copy {
        /// The tier's own version of the copy.
        var version: Version
        var size: Int
        /// The version of cold that it is a copy of; nil: not known, so that it is not served.
        var known: Known?
        /// When cold last said so; by a clock that nobody sets, as all that tells how old a copy is.
        var verified: ContinuousClock.Instant
        var accesses = 0
        var lastAccess: Date
        fileprivate var place: Int
    }

    /// What a copy that may be served is.
    struct Use {
        let version: Version
        let known: Known
        let verified: ContinuousClock.Instant
    }

    let limits: TierLimits
    private var copies: [ObjectKey: Copy] = [:]
    private var recency = RecencyList()
    private(set) var bytes = 0
    var counters = TierCounters()
    /// Whether a task is making room already.
    var isMakingRoom = false

    init(_ limits: TierLimits) {
        self.limits = limits
    }

    var count: Int { copies.count }

    subscript(key: ObjectKey) -> Copy? { copies[key] }

    /// The copy under `key`, as used now, if it is known to be current, and was after `limit`.
    mutating func use(
        _ key: ObjectKey, ifMatch: Version?, now: Date, verifiedAfter limit: ContinuousClock.Instant?
    ) -> Use? {
        guard let index = copies.index(forKey: key), let known = copies.values[index].known,
            !known.info.isExpired(at: now), ifMatch == nil || ifMatch == known.info.version
        else { return nil }
        if let limit, copies.values[index].verified <= limit { return nil }
        copies.values[index].accesses += 1
        copies.values[index].lastAccess = now
        recency.use(copies.values[index].place)
        return Use(version: copies.values[index].version, known: known, verified: copies.values[index].verified)
    }

    /// The info of a copy that is known to be current, without using it.
    func info(_ key: ObjectKey, now: Date, verifiedAfter limit: ContinuousClock.Instant?) -> ObjectInfo? {
        guard let copy = copies[key], let known = copy.known, !known.info.isExpired(at: now) else { return nil }
        if let limit, copy.verified <= limit { return nil }
        return known.info
    }

    mutating func set(
        _ key: ObjectKey, version: Version, size: Int, known: Known?, verified: ContinuousClock.Instant, now: Date
    ) {
        bytes += size
        guard let index = copies.index(forKey: key) else {
            copies[key] = Copy(
                version: version, size: size, known: known, verified: verified, lastAccess: now,
                place: recency.insert(key))
            return
        }
        bytes -= copies.values[index].size
        copies.values[index].version = version
        copies.values[index].size = size
        copies.values[index].known = known
        copies.values[index].verified = verified
        copies.values[index].lastAccess = now
        recency.use(copies.values[index].place)
    }

    /// Notes a copy of unknown age, as used before all that are known, and idle from now on: nobody knows when it was.
    mutating func recover(
        _ key: ObjectKey, version: Version, size: Int, verified: ContinuousClock.Instant, now: Date
    ) {
        guard copies[key] == nil else { return }
        bytes += size
        copies[key] = Copy(
            version: version, size: size, known: nil, verified: verified, lastAccess: now,
            place: recency.insertOldest(key))
    }

    /// The copy is served no more until cold has been asked.
    mutating func distrust(_ key: ObjectKey) {
        guard let index = copies.index(forKey: key) else { return }
        copies.values[index].known = nil
    }

    mutating func distrustAll() {
        for index in copies.values.indices { copies.values[index].known = nil }
    }

    /// Forgets a copy that is gone, unless another took its place.
    mutating func remove(_ key: ObjectKey, version: Version? = nil) {
        guard let copy = copies[key], version == nil || version == copy.version else { return }
        copies[key] = nil
        bytes -= copy.size
        recency.remove(copy.place)
    }

    /// What has to leave: the copy used longest ago, where the limits ask for it.
    func victim(now: Date) -> (key: ObjectKey, copy: Copy)? {
        guard let key = recency.last, let copy = copies[key] else { return nil }
        let isIdle = limits.maxIdle.map { now.timeIntervalSince(copy.lastAccess) >= $0.seconds } ?? false
        return isIdle || count > limits.maxObjects || bytes > limits.maxBytes ? (key, copy) : nil
    }
}
