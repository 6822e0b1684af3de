public import Storage
import Synchronization

extension TieredStore {
    /// The object under `key`, from the first tier that holds its current version.
    ///
    /// With eager promotion a whole object is copied to the tiers above the one that served it: of up to
    /// ``Options/bufferLimit`` bytes before this returns, of more while its body is read. A body that an upper tier
    /// breaks off throws `unavailable`; read again, it comes from below.
    ///
    /// - Throws: what cold's get throws.
    public func read(
        _ key: ObjectKey, options: GetOptions = GetOptions()
    ) async throws(StorageError) -> TieredObject {
        do throws(StorageError) {
            if let first = uppers.first, let object = try await serve(first, key, options) {
                return TieredObject(object: object, tier: first.tier.tier)
            }
            let promotes = self.options.promotion == .eager
            return try await descend(key, options) { tier in
                promotes ? UpperTier.allCases.filter { upper in tier.upper.map { upper < $0 } ?? true } : []
            }
        } catch {
            throw error.during(.get, key: key)
        }
    }

    /// Reads from the tiers below the first, and copies a whole object to the tiers that `targets` names.
    func descend(
        _ key: ObjectKey, _ options: GetOptions, targets: (Tier) -> [UpperTier]
    ) async throws(StorageError) -> TieredObject {
        let claim = Claim(self, key, writes: false)
        let found = try await find(claim, options)
        let wanted = targets(found.tier)
        countMisses(above: found.tier)
        guard !wanted.isEmpty else { return found }
        return TieredObject(object: try await copy(found.object, to: wanted, claim), tier: found.tier)
    }

    private func find(_ claim: Claim, _ options: GetOptions) async throws(StorageError) -> TieredObject {
        for placed in uppers.dropFirst() {
            if let object = try await serve(placed, claim.key, options, claim) {
                return TieredObject(object: object, tier: placed.tier.tier)
            }
        }
        if let found = try await verified(claim, options) { return found }
        do throws(StorageError) {
            let object = try await cold.get(claim.key, options: options)
            index.withLock { index in
                // Others may have seen another version while this one was on its way.
                index.compare(object.info)
                index.cold.hits += 1
            }
            return TieredObject(object: object, tier: .cold)
        } catch {
            if error.kind == .notFound { countMisses(above: .cold) }
            index.withLock { index in
                // Nor may what is on its way be older than what this caller is told.
                index.compare(claim.key, error)
                if error.kind == .notFound { index.cold.misses += 1 }
            }
            throw error
        }
    }

    // MARK: Copies known to be current

    /// The object from an upper tier, if its copy is known to be current; nil where that is not so or the tier fails.
    ///
    /// What is copied on under `claim` is as old as the copy.
    func serve(
        _ placed: Placed, _ key: ObjectKey, _ options: GetOptions, _ claim: Claim? = nil
    ) async throws(StorageError) -> StoredObject? {
        let time = now()
        let use = index.withLock { index -> TierTable.Use? in
            let limit = freshnessLimit(index.isBlind)
            let use = index[placed.tier]?.use(key, ifMatch: options.ifMatch, now: time, verifiedAfter: limit)
            if use != nil { index[placed.tier]?.counters.hits += 1 }
            return use
        }
        guard let use else { return nil }
        claim?.date(from: use.verified)
        return try await open(placed, key, options, version: use.version, as: use.known.info) {
            $0.counters.hits -= 1
        }
    }

    /// The tier's copy of this version, with cold's info; nil where it is gone.
    private func open(
        _ placed: Placed, _ key: ObjectKey, _ options: GetOptions, version: Version, as info: ObjectInfo,
        orElse undo: (inout TierTable) -> Void
    ) async throws(StorageError) -> StoredObject? {
        do throws(StorageError) {
            let copy = try await placed.store.get(
                key, options: GetOptions(range: options.range, verify: options.verify))
            if copy.info.version == version {
                let body =
                    copy.body.bytesAtHand == nil
                    ? guarded(copy.body, from: placed, info, copy.range, options) : copy.body
                return StoredObject(info: info, range: copy.range, body: body)
            }
            lose(placed, key, undo) { $0.distrust(key) }
        } catch {
            if error.kind == .cancelled, Task.isCancelled { throw error }
            lose(placed, key, undo) { table in
                if error.kind == .notFound { return table.remove(key, version: version) }
                table.distrust(key)
                if error.kind != .rangeNotSatisfiable { table.counters.failures += 1 }
            }
        }
        return nil
    }

    private func lose(
        _ placed: Placed, _ key: ObjectKey, _ undo: (inout TierTable) -> Void, _ change: (inout TierTable) -> Void
    ) {
        index.withLock { index in
            guard var table = index[placed.tier].take() else { return }
            undo(&table)
            change(&table)
            index[placed.tier] = table
        }
    }

    /// A body that goes on from cold where the copy fails before its first byte, and else says that it is worth reading
    /// again: the copy is not served any more.
    private func guarded(
        _ body: ObjectBody, from placed: Placed, _ info: ObjectInfo, _ range: Range<Int>, _ options: GetOptions
    ) -> ObjectBody {
        let state = Mutex((pull: body.pull, isFromCold: false, hasBegun: false))
        return ObjectBody(size: body.size) { () async throws(StorageError) in
            let (pull, isFromCold, hasBegun) = state.withLock { $0 }
            do throws(StorageError) {
                let chunk = try await pull()
                if !hasBegun { state.withLock { $0.hasBegun = true } }
                return chunk
            } catch {
                if isFromCold || (error.kind == .cancelled && Task.isCancelled) { throw error }
                self.index.withLock { index in
                    index[placed.tier]?.distrust(info.key)
                    index[placed.tier]?.counters.failures += 1
                }
                guard !hasBegun else {
                    throw StorageError(
                        .unavailable,
                        "the copy in the \(placed.tier.rawValue) tier broke off; read “\(info.key)” again",
                        key: info.key.rawValue, operation: .get, cause: error)
                }
                let next = try await self.goOn(info, options)
                state.withLock { $0 = (next, true, true) }
                return try await next()
            }
        }
    }

    /// Cold's bytes in place of a copy's; the reader did not ask for this version, so its absence is no refusal.
    private func goOn(_ info: ObjectInfo, _ options: GetOptions) async throws(StorageError) -> ObjectBody.Pull {
        do throws(StorageError) {
            let again = GetOptions(range: options.range, ifMatch: info.version, verify: options.verify)
            return try await cold.get(info.key, options: again).body.pull
        } catch  where error.kind == .preconditionFailed || error.kind == .notFound {
            throw StorageError(
                .unavailable, "“\(info.key)” was replaced or deleted while it was read; read it again",
                key: info.key.rawValue, operation: .get, cause: error)
        }
    }

    // MARK: Copies of unknown age

    /// The object from a copy that cold's info shows to be current, where there is one. Copies that are not are removed.
    private func verified(_ claim: Claim, _ options: GetOptions) async throws(StorageError) -> TieredObject? {
        var copies: [(placed: Placed, info: ObjectInfo)] = []
        for placed in uppers {
            if let info = try await copyInfo(placed, claim.key) { copies.append((placed, info)) }
        }
        guard !copies.isEmpty else { return nil }
        let current: ObjectInfo?
        do throws(StorageError) {
            let info = try await cold.info(claim.key, options: InfoOptions())
            index.withLock { $0.compare(info) }
            current = info
        } catch {
            guard error.kind == .notFound else { throw error }
            current = nil
        }
        var found: TieredObject?
        for (placed, copy) in copies {
            guard let current, Self.isCopy(copy, of: current) else {
                _ = await remove(claim.key, version: copy.version, from: placed)
                continue
            }
            note(copy, of: current, in: placed, claim)
            guard found == nil, options.ifMatch == nil || options.ifMatch == current.version else { continue }
            found = try await open(placed, claim.key, options, version: copy.version, as: current) { _ in }
                .map { TieredObject(object: $0, tier: placed.tier.tier) }
            if found != nil { index.withLock { $0[placed.tier]?.counters.hits += 1 } }
        }
        return found
    }

    private func copyInfo(_ placed: Placed, _ key: ObjectKey) async throws(StorageError) -> ObjectInfo? {
        do throws(StorageError) {
            return try await placed.store.info(key)
        } catch {
            if error.kind == .cancelled, Task.isCancelled { throw error }
            if error.kind != .notFound { countFailure(placed) }
            return nil
        }
    }

    /// Whether the copy's bytes are those of the version: by their digest, or by what the copy says where cold keeps none.
    static func isCopy(_ copy: ObjectInfo, of info: ObjectInfo) -> Bool {
        guard copy.size == info.size else { return false }
        if let digest = copy.digest, let wanted = info.digest { return digest == wanted }
        return copy.attributes.metadata[versionMark] == [info.version.description]
    }

    /// Notes that the tier holds a copy of `info`'s version; whether it may be served.
    @discardableResult
    func note(_ copy: ObjectInfo, of info: ObjectInfo, in placed: Placed, _ claim: Claim) -> Bool {
        let time = now()
        return index.withLock { index in
            index.install(
                claim, placed.tier, version: copy.version, size: copy.size, known: TierTable.Known(info), now: time)
        }
    }

    func countFailure(_ placed: Placed) {
        index.withLock { $0[placed.tier]?.counters.failures += 1 }
    }

    private func countMisses(above tier: Tier) {
        index.withLock { index in
            for placed in uppers where tier.upper.map({ placed.tier < $0 }) ?? true {
                index[placed.tier]?.counters.misses += 1
            }
        }
    }
}
