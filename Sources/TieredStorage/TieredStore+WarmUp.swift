public import Storage
import Synchronization
import FoundationEssentials

extension TieredStore {
    /// How much a warm-up copies.
    public struct WarmUp: Sendable {
        /// Keys that begin with these bytes; empty: all.
        public var prefix = ""
        /// The most objects.
        public var maxObjects = 1000
        /// The most bytes together.
        public var maxBytes = Int.max
        /// How many are copied at once.
        public var concurrency = 8

        /// The newest thousand objects, eight at a time.
        public init() {}
    }

    /// How far a warm-up is.
    public struct WarmUpProgress: Sendable, Hashable {
        /// The objects that were chosen.
        public internal(set) var total = 0
        /// Those of them that lie in the tier now.
        public internal(set) var copied = 0
        /// Those that could not be copied, or were gone.
        public internal(set) var failed = 0
        /// The bytes of those copied.
        public internal(set) var bytes = 0
    }

    /// Copies the newest objects of a tier to one above it, the newest first; how many that were.
    ///
    /// - Parameters:
    ///   - tier: where to.
    ///   - source: where from: a tier below it.
    ///   - options: how many.
    ///   - report: told after each object.
    /// - Throws: `invalid` where the tiers are not there or not in this order; what listing the source throws. An object
    ///   that can't be copied is counted, and the next one is tried.
    @discardableResult
    public func warmUp(
        _ tier: UpperTier, from source: Tier, options: WarmUp = WarmUp(),
        progress report: (WarmUpProgress) -> Void = { _ in }
    ) async throws(StorageError) -> WarmUpProgress {
        let chosen = try await newest(
            in: try store(of: source, below: tier), options, modified: source == .cold ? \.modified : Self.modified)
        var progress = WarmUpProgress(total: chosen.count)
        await withTaskGroup(of: (size: Int, isCopied: Bool).self) { group in
            func take(_ done: (size: Int, isCopied: Bool)?) {
                guard let done else { return }
                progress.copied += done.isCopied ? 1 : 0
                progress.failed += done.isCopied ? 0 : 1
                progress.bytes += done.isCopied ? done.size : 0
                report(progress)
            }
            for (number, object) in chosen.enumerated() where !Task.isCancelled {
                if number >= max(1, options.concurrency) { take(await group.next()) }
                group.addTask {
                    do throws(StorageError) {
                        return (object.size, try await self.promote(object.key, to: tier))
                    } catch {
                        return (object.size, false)
                    }
                }
            }
            while let done = await group.next() { take(done) }
        }
        return progress
    }

    /// Copies an object to an upper tier from wherever it is; whether a current copy lies there now.
    ///
    /// It does not where the tier is absent, has no room or fails, or where a write of the key came between.
    ///
    /// - Throws: what reading the object throws.
    @discardableResult
    public func promote(_ key: ObjectKey, to tier: UpperTier) async throws(StorageError) -> Bool {
        guard !residence(of: key).tiers.contains(tier), uppers.contains(where: { $0.tier == tier }) else {
            return residence(of: key).tiers.contains(tier)
        }
        let object: TieredObject
        if let first = uppers.first, let found = try await serve(first, key, GetOptions()) {
            let claim = Claim(self, key, writes: false)
            // Served before the claim began: only what is still current now may be copied on.
            let current = index.withLock { $0[first.tier]?[key] }
            guard let current, current.known?.info.version == found.info.version else { return false }
            claim.date(from: current.verified)
            object = TieredObject(object: try await copy(found, to: [tier], claim), tier: first.tier.tier)
        } else {
            object = try await descend(key, GetOptions()) { _ in [tier] }
        }
        for try await _ in object.object.body {}
        return residence(of: key).tiers.contains(tier)
    }

    private func store(of source: Tier, below tier: UpperTier) throws(StorageError) -> any Store {
        guard uppers.contains(where: { $0.tier == tier }) else {
            throw StorageError(.invalid, "there is no \(tier.rawValue) tier to warm up")
        }
        guard let upper = source.upper else { return cold }
        guard tier < upper, let placed = uppers.first(where: { $0.tier == upper }) else {
            throw StorageError(.invalid, "\(tier.rawValue) can't be warmed up from \(source.rawValue)")
        }
        return placed.store
    }

    /// The newest objects within the limits, from a listing of any length in bounded memory.
    private func newest(
        in store: any Store, _ options: WarmUp, modified: (ObjectInfo) -> Date
    ) async throws(StorageError) -> [(key: ObjectKey, size: Int)] {
        let limit = max(0, options.maxObjects)
        var newest: [(key: ObjectKey, size: Int, modified: Date)] = []
        let query = ListQuery(prefix: options.prefix, details: true)
        for try await page in store.pages(query) {
            newest += (page.objects ?? []).map { ($0.key, $0.size, modified($0)) }
            if newest.count >= 2 * limit + query.limit || page.next == nil {
                newest.sort { $0.modified > $1.modified }
                newest.removeLast(max(0, newest.count - limit))
            }
        }
        var bytes = 0
        return newest.prefix { object in
            bytes.addSize(object.size)
            return bytes <= options.maxBytes
        }.map { ($0.key, $0.size) }
    }
}
