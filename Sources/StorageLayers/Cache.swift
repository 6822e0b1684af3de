import FoundationEssentials
import Storage
import Synchronization

/// What a cached store knows, and what it is about to know.
final class Cache: Sendable {
    /// What a fetch of an object brought.
    enum Fetched: Sendable {
        case kept(CacheEntry)
        /// Not to be kept, too large or another key's: for whoever takes it first.
        case passing(Handover)
    }

    /// An open object, for one reader.
    final class Handover: Sendable {
        let key: ObjectKey
        let version: Version
        private let object: Mutex<StoredObject?>

        init(_ object: StoredObject) {
            (key, version) = (object.info.key, object.info.version)
            self.object = Mutex(object)
        }

        func take() -> StoredObject? {
            object.withLock { object in
                defer { object = nil }
                return object
            }
        }
    }

    typealias ObjectFlight = Flight<Fetched>
    typealias InfoFlight = Flight<CacheEntry>

    /// How to come by what is not known.
    enum Plan<Value: Sendable> {
        case join(Flight<Value>)
        case start(Flight<Value>)
        /// Past the cache: the key is being written, or the cache is off.
        case past
    }

    /// A flight under way, and what its key was told to be since it started.
    struct Course<Value: Sendable> {
        let flight: Flight<Value>
        var news: CacheNews?
    }

    struct State {
        var entries: CacheEntries
        var objects: [ObjectKey: Course<Fetched>] = [:]
        var infos: [ObjectKey: Course<CacheEntry>] = [:]
        /// How many writes of each key are under way.
        var writes: [ObjectKey: Int] = [:]
        var isOn: Bool
        var isClosed = false
        var statistics = CacheStatistics()
    }

    let options: CacheOptions
    private let clock: LayerClock
    private let now: @Sendable () -> Date
    private let state: Mutex<State>

    init(_ options: CacheOptions, clock: LayerClock, now: @escaping @Sendable () -> Date, isOn: Bool) {
        self.options = options
        self.clock = clock
        self.now = now
        let entries = CacheEntries(
            maxEntries: options.maxEntries, maxBytes: options.maxBytes, tracksUse: options.strategy != .ttl)
        state = Mutex(State(entries: entries, isOn: isOn))
    }

    var statistics: CacheStatistics {
        state.withLock { state in
            var statistics = state.statistics
            (statistics.entries, statistics.bytes) = (state.entries.count, state.entries.byteCount)
            return statistics
        }
    }

    // MARK: Reading

    /// What is known of `key`, where that is enough: some version, or `ifMatch`, with its bytes or without.
    func find(_ key: ObjectKey, ifMatch: Version?, needsBytes: Bool) -> CacheEntry? {
        state.withLock { state in
            guard let entry = state.entries.use(key), state.writes.isEmpty || state.writes[key] == nil else {
                state.statistics.misses += 1
                return nil
            }
            if let deadline = entry.deadline, deadline <= clock.now() {
                _ = state.entries.remove(key)
                state.statistics.expirations += 1
                state.statistics.misses += 1
                return nil
            }
            if let info = entry.info {
                guard ifMatch == nil || ifMatch == info.version, !needsBytes || entry.bytes != nil else {
                    state.statistics.misses += 1
                    return nil
                }
            } else {
                state.statistics.negativeHits += 1
            }
            state.statistics.hits += 1
            return entry
        }
    }

    /// Whether the object is being fetched, or is known to be small enough to keep: then a part is cut from all of it.
    func expectsAll(of key: ObjectKey) -> Bool {
        state.withLock { state in
            if state.objects[key] != nil { return true }
            guard let info = state.entries.peek(key)?.info else { return false }
            return info.size <= largest
        }
    }

    /// The most bytes of an object that is kept.
    var largest: Int { min(options.maxObjectSize, options.maxBytes) }

    func planObject(_ key: ObjectKey) -> Plan<Fetched> {
        state.withLock { $0.plan(key, \.objects) }
    }

    func planInfo(_ key: ObjectKey) -> Plan<CacheEntry> {
        state.withLock { $0.plan(key, \.infos) }
    }

    /// Keeps what a fetch brought, unless the key changed meanwhile; ends the flight.
    func land(_ flight: ObjectFlight, _ key: ObjectKey, _ outcome: ObjectFlight.Outcome) {
        let brought: Brought =
            switch outcome {
            case .success(.kept(let entry)): .entry(entry)
            case .success(.passing(let handover)) where handover.key == key: .news(.version(handover.version))
            case .success(.passing): .nothing
            case .failure(let error): brought(key, error)
            }
        state.withLock { $0.land(flight, key, \.objects, brought) }
        flight.land(outcome)
    }

    func land(_ flight: InfoFlight, _ key: ObjectKey, _ outcome: InfoFlight.Outcome) {
        let brought: Brought =
            switch outcome {
            case .success(let entry): entry.info?.key == key ? .entry(entry) : .nothing
            case .failure(let error): brought(key, error)
            }
        state.withLock { $0.land(flight, key, \.infos, brought) }
        flight.land(outcome)
    }

    /// What a flight brought, for the cache.
    fileprivate enum Brought {
        /// Something to keep.
        case entry(CacheEntry)
        /// Something that passes by.
        case news(CacheNews)
        case nothing
    }

    private func brought(_ key: ObjectKey, _ error: StorageError) -> Brought {
        if let entry = absence(key, error) { return .entry(entry) }
        return CacheNews(error).map { .news($0) } ?? .nothing
    }

    /// The time by which entries age.
    var time: ContinuousClock.Instant { clock.now() }

    /// An entry for what a fetch brought that began at `start`: how long it took counts.
    func entry(_ info: ObjectInfo, _ bytes: [UInt8]?, since start: ContinuousClock.Instant) -> CacheEntry {
        var life = options.strategy == .lru ? nil : options.timeToLive
        if let expires = info.expires {
            let left = Duration.seconds(max(0, expires.timeIntervalSince(now())))
            life = life.map { min($0, left) } ?? left
        }
        return CacheEntry(key: info.key, info: info, bytes: bytes, deadline: life.map { start + $0 })
    }

    private func absence(_ key: ObjectKey, _ error: StorageError) -> CacheEntry? {
        guard error.kind == .notFound, let life = options.negativeTimeToLive else { return nil }
        return CacheEntry(key: key, info: nil, bytes: nil, deadline: clock.now() + life)
    }

    // MARK: Changes

    /// Until the returned write ends, nothing of `key` is taken from the cache or put into it.
    func beginWrite(_ key: ObjectKey) {
        state.withLock { state in
            state.writes[key, default: 0] += 1
            state.invalidate(key)
        }
    }

    func endWrite(_ key: ObjectKey) {
        state.withLock { state in
            state.invalidate(key)
            let left = (state.writes[key] ?? 1) - 1
            state.writes[key] = left == 0 ? nil : left
        }
    }

    /// Takes notice of what the store beneath told past the cache: what is known otherwise is old.
    func notice(_ infos: [ObjectInfo]) {
        state.withLock { state in
            for info in infos { state.notice(info.key, .version(info.version)) }
        }
    }

    /// The same for what a failure tells.
    func notice(_ key: ObjectKey, _ error: StorageError) {
        guard let news = CacheNews(error) else { return }
        state.withLock { $0.notice(key, news) }
    }

    /// The same for keys that exist.
    func notice(existing keys: [ObjectKey]) {
        guard options.negativeTimeToLive != nil else { return }
        state.withLock { state in
            for key in keys { state.notice(key, .exists) }
        }
    }

    /// Takes notice of a change made by anybody.
    func notice(_ change: StoreChange) {
        state.withLock { state in
            switch change {
            case .put(let info):
                let isKnown = state.entries.peek(info.key).map { $0.info?.version == info.version } ?? false
                if !isKnown { state.invalidate(info.key) }
            case .deleted(let key), .expired(let key):
                let isKnown = state.entries.peek(key).map { $0.info == nil } ?? false
                if !isKnown { state.invalidate(key) }
            case .lagged: state.invalidateAll()
            case .caughtUp: break
            }
        }
    }

    /// Changes are followed from now on, or no longer; what was missed between is forgotten.
    func follow(_ isFollowing: Bool) {
        state.withLock { state in
            guard !state.isClosed else { return }
            state.invalidateAll()
            state.statistics.isFollowing = isFollowing
            state.isOn = isFollowing || options.strategy != .lru
        }
    }

    func close() {
        state.withLock { state in
            state.invalidateAll()
            state.statistics.isFollowing = false
            state.isOn = false
            state.isClosed = true
        }
    }
}

extension Cache.State {
    fileprivate mutating func plan<Value>(
        _ key: ObjectKey, _ flights: WritableKeyPath<Self, [ObjectKey: Cache.Course<Value>]>
    ) -> Cache.Plan<Value> {
        guard isOn, writes[key] == nil else { return .past }
        // Somebody was told something since it started, which it may be older than.
        if let course = self[keyPath: flights][key], course.news == nil, course.flight.join() {
            statistics.shared += 1
            return .join(course.flight)
        }
        let flight = Flight<Value>()
        _ = flight.join()
        self[keyPath: flights][key] = Cache.Course(flight: flight)
        return .start(flight)
    }

    /// Keeps what a flight brought, where nothing says that it is old; whoever waits for it gets it in any case.
    fileprivate mutating func land<Value>(
        _ flight: Flight<Value>, _ key: ObjectKey, _ flights: WritableKeyPath<Self, [ObjectKey: Cache.Course<Value>]>,
        _ brought: Cache.Brought
    ) {
        // Detached by a change otherwise.
        guard let course = self[keyPath: flights][key], course.flight === flight else { return }
        self[keyPath: flights][key] = nil
        switch brought {
        case .entry(let entry):
            let news = CacheNews(entry)
            if course.news.map({ news.agrees(with: $0) }) ?? true { keep(entry, key) }
            notice(key, news)
        case .news(let news): notice(key, news)
        case .nothing: break
        }
    }

    /// Takes notice of what somebody was told: an entry that says otherwise is forgotten, and a flight that started before
    /// counts only if it brings the same.
    fileprivate mutating func notice(_ key: ObjectKey, _ news: CacheNews) {
        if let entry = entries.peek(key), !CacheNews(entry).agrees(with: news) { return invalidate(key) }
        notice(key, news, \.objects)
        notice(key, news, \.infos)
    }

    private mutating func notice<Value>(
        _ key: ObjectKey, _ news: CacheNews, _ flights: WritableKeyPath<Self, [ObjectKey: Cache.Course<Value>]>
    ) {
        guard !self[keyPath: flights].isEmpty, let course = self[keyPath: flights][key] else { return }
        if let earlier = course.news, !earlier.agrees(with: news) {
            // Of two versions nobody knows which is newer.
            self[keyPath: flights][key] = nil
        } else if course.news == nil || course.news == .exists {
            self[keyPath: flights][key]?.news = news
        }
    }

    /// Of two fetches that brought different versions nobody knows which is newer.
    fileprivate mutating func keep(_ entry: CacheEntry, _ key: ObjectKey) {
        if let known = entries.peek(key) {
            guard known.info?.version == entry.info?.version else { return invalidate(key) }
            if known.bytes != nil && entry.bytes == nil { return }
        }
        statistics.evictions += entries.insert(entry, key)
    }

    /// Forgets the key, and lets nothing that was asked for before be kept or shared.
    fileprivate mutating func invalidate(_ key: ObjectKey) {
        if entries.remove(key) { statistics.invalidations += 1 }
        objects[key] = nil
        infos[key] = nil
    }

    fileprivate mutating func invalidateAll() {
        statistics.invalidations += entries.count
        entries.removeAll()
        objects = [:]
        infos = [:]
    }
}
