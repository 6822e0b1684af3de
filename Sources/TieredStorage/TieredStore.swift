public import FoundationEssentials
public import Storage
import Synchronization

/// Objects in up to three tiers: a cold one that holds them all, and copies of some in a warm and a hot one above it.
///
/// Any store may be a tier. Compression, encryption and retries are layers around a tier's store, as around any other: a
/// compressed warm tier is a compressing layer over a file store.
///
/// **Cold is the truth.** A write is done when cold has acknowledged it, and cold decides its precondition; infos and
/// versions are cold's, listings come from cold. An upper tier that fails, or lost its contents, costs time and nothing
/// else: reads go around it, and writes succeed without it.
///
/// **What a read may return.** Within one `TieredStore` a read that begins after a write was acknowledged finds that
/// write or a later one, whole, and never what cold has not acknowledged: a write takes the trust from every copy before
/// cold hears of it. A copy that was not made in this store's lifetime is compared with cold's info, by its digest,
/// before it is served, so that a process that ended between the tiers leaves nothing behind that is read. Where other
/// processes write to the same cold tier, a read is at most ``Options/revalidateAfter`` behind them, or as far as the
/// watch of cold is while ``follow()`` runs; with neither, copies stay until a write through this store.
///
/// Operations may be called from any number of tasks.
public final class TieredStore: StoreLayer {
    /// An upper tier that is there.
    struct Placed: Sendable {
        let tier: UpperTier
        let upper: Upper
        var store: any Store { upper.store }
    }

    /// Whose version a copy is of, for cold tiers that keep no digests.
    static let versionMark = "storage-tier-version"
    /// When cold stored that version: the copy itself may be younger.
    static let modifiedMark = "storage-tier-modified"

    let uppers: [Placed]
    let cold: any Store
    let options: Options
    let now: @Sendable () -> Date
    let instant: @Sendable () -> ContinuousClock.Instant
    let index: Mutex<TierIndex>
    private let background = Background()

    /// A store of these tiers.
    ///
    /// - Parameters:
    ///   - hot: the fastest tier, if any.
    ///   - warm: the one below it, if any.
    ///   - cold: the tier that holds every object.
    ///   - options: how they work together.
    ///   - now: the clock by which objects expire and idle.
    public convenience init(
        hot: Upper? = nil, warm: Upper? = nil, cold: any Store, options: Options = Options(),
        now: @escaping @Sendable () -> Date = { Date.now }
    ) {
        self.init(hot: hot, warm: warm, cold: cold, options: options, now: now, instant: { .now })
    }

    /// - Parameter instant: the clock by which copies age.
    package init(
        hot: Upper?, warm: Upper?, cold: any Store, options: Options, now: @escaping @Sendable () -> Date,
        instant: @escaping @Sendable () -> ContinuousClock.Instant
    ) {
        let placed = [hot.map { Placed(tier: .hot, upper: $0) }, warm.map { Placed(tier: .warm, upper: $0) }]
        uppers = placed.compactMap(\.self)
        self.cold = cold
        self.options = options
        self.now = now
        self.instant = instant
        index = Mutex(TierIndex(hot: hot?.limits, warm: warm?.limits))
    }

    /// Cold's.
    public var capabilities: Capabilities { cold.capabilities }

    /// Puts into cold and then into the upper tiers that take the key, as ``write(_:_:options:)`` does.
    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await write(key, body, options: TieredPutOptions(put: options)).info
    }

    /// Gets from the first tier that has the current version, as ``read(_:options:)`` does.
    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try await read(key, options: options).object
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        let time = now()
        let known = index.withLock { index in
            let limit = freshnessLimit(index.isBlind)
            return index[.hot]?.info(key, now: time, verifiedAfter: limit)
                ?? index[.warm]?.info(key, now: time, verifiedAfter: limit)
        }
        if let known, options.ifMatch == nil || options.ifMatch == known.version { return known }
        do throws(StorageError) {
            let info = try await cold.info(key, options: options)
            index.withLock { $0.compare(info) }
            return info
        } catch {
            index.withLock { $0.compare(key, error) }
            throw error
        }
    }

    /// What was known to be current before is not served without asking cold; nil: it is, whenever that was.
    func freshnessLimit(_ isBlind: Bool) -> ContinuousClock.Instant? {
        let life = options.revalidateAfter ?? (isBlind ? .zero : nil)
        return life.map { instant() - $0 }
    }

    /// Deletes in cold and then every copy.
    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        let claim = Claim(self, key, writes: true)
        let existed = try await cold.delete(key, options: options)
        await removeCopies(of: key)
        withExtendedLifetime(claim) {}
        return existed
    }

    /// Lists cold.
    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        let page = try await cold.list(query)
        if let objects = page.objects, !uppers.isEmpty {
            // Whoever was told of a version here finds no older one by a read.
            index.withLock { index in objects.forEach { index.compare($0) } }
        }
        return page
    }

    /// Sets them in cold; copies of the bytes stay, and are compared with cold before they are served again.
    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        let claim = Claim(self, key, writes: true)
        let info = try await cold.setMetadata(key, attributes, options: options)
        withExtendedLifetime(claim) {}
        return info
    }

    /// Ends what ``start(maintainEvery:)`` began, and shuts every tier down.
    public func shutdown() async {
        await background.stop()
        for placed in uppers { await placed.store.shutdown() }
        await cold.shutdown()
    }

    /// Recovers, follows cold where it can be watched, and maintains the tiers, in the background until ``shutdown()``.
    ///
    /// Failures are tried again; they cost freshness of the limits, never of what is read: while cold is not followed,
    /// as ``isFollowing`` tells, no copy is served without asking cold, unless it is younger than
    /// ``Options/revalidateAfter``.
    public func start(maintainEvery interval: Duration = .seconds(60)) {
        index.withLock { $0.wantsFollowing = canFollow }
        background.start([
            { [self] in await makeRoom(every: interval) },
            { [self] in await keepFollowing() },
        ])
    }
}

/// Tasks that a store owns: nobody waits for them but its shutdown.
private final class Background: Sendable {
    private let tasks = Mutex<[Task<Void, Never>]>([])

    func start(_ work: [@Sendable () async -> Void]) {
        tasks.withLock { tasks in
            guard tasks.isEmpty else { return }
            tasks = work.map { work in Task { await work() } }
        }
    }

    func stop() async {
        let tasks = tasks.withLock { $0 }
        tasks.forEach { $0.cancel() }
        for task in tasks { await task.value }
    }
}
