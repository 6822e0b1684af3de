public import Storage
package import FoundationEssentials

/// A layer that answers gets and infos from memory, as far as it knows that nothing has changed.
///
/// What goes through this layer is seen by it at once: each write forgets its key before it starts and after it ends,
/// however it ends. Changes made elsewhere are seen as soon as they are told where the store beneath can be watched, and
/// by time otherwise: see ``CacheOptions/Strategy``. Any number of readers of an object that is not there cause one
/// fetch, whose failure is everybody's. Whole objects and infos are kept, each of one version; parts are cut from them.
/// Lists go past the cache.
public final class CachedStore: StoreLayer {
    private let base: any Store
    private let cache: Cache
    private let following: Task<Void, Never>?

    /// A cache over `base`.
    public convenience init(_ base: any Store, _ options: CacheOptions = CacheOptions()) {
        self.init(base, options, clock: .real, now: { .now })
    }

    package init(
        _ base: any Store, _ options: CacheOptions, clock: LayerClock, now: @escaping @Sendable () -> Date
    ) {
        self.base = base
        let watch = base.anyWatcher
        let cache = Cache(options, clock: clock, now: now, isOn: watch == nil || options.strategy != .lru)
        self.cache = cache
        // Unstructured: it lives as long as the layer, which ends it.
        following = watch.map { watch in Task { await Self.follow(watch, cache) } }
    }

    deinit {
        following?.cancel()
    }

    /// What the cache holds and did since it was made.
    public var statistics: CacheStatistics { cache.statistics }

    public var capabilities: Capabilities { base.capabilities }

    public var beneath: [any Store] { [base] }

    /// A change is told after the cache has taken notice of it.
    public var watcher: StoreWatcher? {
        guard let watch = base.anyWatcher else { return nil }
        return { [cache] (query) async throws(StorageError) in
            try await watch(query).mapped { change in
                cache.notice(change)
                return change
            }
        }
    }

    // MARK: Reads

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        if let entry = cache.find(key, ifMatch: options.ifMatch, needsBytes: true) {
            return try entry.object(key, options.range)
        }
        guard options.ifMatch == nil, options.range == nil || cache.expectsAll(of: key) else {
            return try await getPast(key, options)
        }
        switch cache.planObject(key) {
        case .past: return try await getPast(key, options)
        case .join(let flight): return try await object(try await flight.value(), key, options)
        case .start(let flight):
            flight.start { [base, cache] in cache.land(flight, key, await Self.fetch(key, base, cache)) }
            return try await object(try await flight.value(), key, options)
        }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        if let entry = cache.find(key, ifMatch: options.ifMatch, needsBytes: false) {
            guard let info = entry.info else { throw StorageError.notFound(key).during(.info) }
            return info
        }
        guard options.ifMatch == nil else { return try await infoPast(key, options) }
        switch cache.planInfo(key) {
        case .past: return try await infoPast(key, options)
        case .join(let flight): return try await info(flight, key, options)
        case .start(let flight):
            flight.start { [base, cache] in
                let outcome: Cache.InfoFlight.Outcome
                let start = cache.time
                do throws(StorageError) {
                    outcome = .success(cache.entry(try await base.info(key), nil, since: start))
                } catch {
                    outcome = .failure(error)
                }
                cache.land(flight, key, outcome)
            }
            return try await info(flight, key, options)
        }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        let page = try await base.list(query)
        if let objects = page.objects { cache.notice(objects) }
        cache.notice(existing: page.keys)
        return page
    }

    private func getPast(_ key: ObjectKey, _ options: GetOptions) async throws(StorageError) -> StoredObject {
        do throws(StorageError) {
            let object = try await base.get(key, options: options)
            cache.notice([object.info])
            return object
        } catch {
            cache.notice(key, error)
            throw error
        }
    }

    private func infoPast(_ key: ObjectKey, _ options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            let info = try await base.info(key, options: options)
            cache.notice([info])
            return info
        } catch {
            cache.notice(key, error)
            throw error
        }
    }

    private func object(
        _ fetched: Cache.Fetched, _ key: ObjectKey, _ options: GetOptions
    ) async throws(StorageError) -> StoredObject {
        switch fetched {
        case .kept(let entry): return try entry.object(key, options.range)
        case .passing(let handover):
            if options.range == nil, let object = handover.take() { return object }
            return try await getPast(key, options)
        }
    }

    private func info(
        _ flight: Cache.InfoFlight, _ key: ObjectKey, _ options: InfoOptions
    ) async throws(StorageError) -> ObjectInfo {
        guard let info = try await flight.value().info else { return try await infoPast(key, options) }
        return info
    }

    private static func fetch(_ key: ObjectKey, _ base: any Store, _ cache: Cache) async -> Cache.ObjectFlight.Outcome {
        let start = cache.time
        do throws(StorageError) {
            let object = try await base.get(key)
            // A link leads to another key's object, of whose changes this key is told nothing.
            guard object.info.key == key, object.info.size <= cache.largest else {
                return .success(.passing(Cache.Handover(object)))
            }
            let bytes = try await object.body.collect(upTo: cache.largest)
            return .success(.kept(cache.entry(object.info, bytes, since: start)))
        } catch {
            return .failure(error.during(.get, key: key))
        }
    }

    // MARK: Writes

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        cache.beginWrite(key)
        defer { cache.endWrite(key) }
        return try await base.put(key, body, options: options)
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        cache.beginWrite(key)
        defer { cache.endWrite(key) }
        return try await base.delete(key, options: options)
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        cache.beginWrite(key)
        defer { cache.endWrite(key) }
        return try await base.setMetadata(key, attributes, options: options)
    }

    /// Forgets everything and shuts the store beneath down.
    public func shutdown() async {
        following?.cancel()
        cache.close()
        await base.shutdown()
    }

    // MARK: Changes made elsewhere

    /// Follows changes until the store beneath is shut down; goes on after failures, without trust in what was kept.
    private static func follow(_ watch: StoreWatcher, _ cache: Cache) async {
        var wait = Duration.milliseconds(50)
        while !Task.isCancelled {
            do throws(StorageError) {
                let changes = try await watch(WatchQuery())
                cache.follow(true)
                wait = .milliseconds(50)
                for try await change in changes { cache.notice(change) }
                return cache.follow(false)
            } catch {
                cache.follow(false)
            }
            guard (try? await Task.sleep(for: wait)) != nil else { return }
            wait = min(wait * 2, .seconds(10))
        }
    }
}

extension CacheEntry {
    /// The object, or a part of it.
    fileprivate func object(_ key: ObjectKey, _ range: ByteRange?) throws(StorageError) -> StoredObject {
        guard let info, let bytes else { throw StorageError.notFound(key).during(.get) }
        guard let range else {
            return StoredObject(info: info, range: 0..<bytes.count, body: ObjectBody(bytes))
        }
        do throws(StorageError) {
            let part = try range.resolve(size: bytes.count)
            return StoredObject(info: info, range: part, body: ObjectBody(Array(bytes[part])))
        } catch {
            throw error.during(.get, key: key)
        }
    }
}
