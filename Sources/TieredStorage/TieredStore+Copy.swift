import FoundationEssentials
import Storage
import Synchronization

extension TieredStore {
    /// Whether copies of the key may lie in the tier, and one of this size, where it is known, has room.
    func accepts(_ placed: Placed, _ key: ObjectKey, size: Int?) -> Bool {
        let rule = options.placement.first { $0.matches(key) }
        guard rule.map({ $0.tiers.contains(placed.tier) }) ?? true else { return false }
        let limits = placed.upper.limits
        return size.map { $0 <= min(limits.maxObjectBytes, limits.maxBytes) } ?? true
    }

    /// Copies an object that was read to these tiers; what is returned has a body of its own.
    func copy(
        _ object: StoredObject, to tiers: [UpperTier], _ claim: Claim
    ) async throws(StorageError) -> StoredObject {
        let info = object.info
        guard object.range == 0..<info.size else { return object }
        let targets = uppers.filter { placed in
            tiers.contains(placed.tier) && accepts(placed, info.key, size: info.size)
                && index.withLock { $0.beginFilling(info.key, placed.tier) }
        }
        guard !targets.isEmpty else { return object }
        guard info.size <= options.bufferLimit else { return spread(object, to: targets, claim) }
        defer { endFilling(info.key, targets) }
        let bytes = try await object.body.collect(upTo: info.size)
        for placed in targets { await fill(placed, with: ObjectBody(bytes), of: info, claim) }
        var copied = object
        copied.body = ObjectBody(bytes)
        return copied
    }

    private func endFilling(_ key: ObjectKey, _ targets: [Placed]) {
        index.withLock { index in targets.forEach { index.endFilling(key, $0.tier) } }
    }

    /// Copies a large object while its reader reads it. The reader is told of its end when the copies are there too.
    private func spread(_ object: StoredObject, to targets: [Placed], _ claim: Claim) -> StoredObject {
        let relays = targets.map { BodyRelay(limit: $0.upper.limits.maxObjectBytes) }
        let tee = BodyTee(object.body.pull, to: relays)
        // The copies go on as long as the body is read, which nobody waits for; they end with it.
        let copies = zip(targets, relays).map { placed, relay in
            Task { [self] in
                await fill(placed, with: relay.body(size: object.info.size), of: object.info, claim)
                relay.finish(.failure(.cancelled))
                endFilling(claim.key, [placed])
            }
        }
        var copied = object
        copied.body = ObjectBody(size: object.body.size) { () async throws(StorageError) in
            let chunk = try await tee.next()
            if chunk == nil { for copy in copies { await copy.value } }
            return chunk
        }
        return copied
    }

    /// What a copy says of the version that it is of.
    private static func marks(_ info: ObjectInfo) -> Metadata {
        [
            versionMark: [info.version.description],
            modifiedMark: [String(info.modified.timeIntervalSince1970)],
        ]
    }

    /// When cold stored the version that a copy is of; where the copy was made by the put itself, it does not say.
    static func modified(_ copy: ObjectInfo) -> Date {
        let mark = copy.attributes.metadata[modifiedMark]?.first.flatMap { Double($0) }
        return mark.map { Date(timeIntervalSince1970: $0) } ?? copy.modified
    }

    /// Stores a copy of this version, of which nothing is served before it is known to be one; whether it is there.
    @discardableResult
    func fill(_ placed: Placed, with body: ObjectBody, of info: ObjectInfo, _ claim: Claim) async -> Bool {
        guard let copy = await store(body, in: placed, claim.key, of: info) else { return false }
        return await accept(copy, of: info, in: placed, claim)
    }

    /// Takes a copy that was stored as one of `info`'s version, if it is; whether the tier holds it now.
    func accept(_ copy: ObjectInfo, of info: ObjectInfo, in placed: Placed, _ claim: Claim) async -> Bool {
        guard Self.isCopy(copy, of: info) else {
            _ = await remove(claim.key, version: copy.version, from: placed)
            return false
        }
        let isTrusted = note(copy, of: info, in: placed, claim)
        await makeRoom(in: placed)
        return isTrusted || !claim.trusts
    }

    /// Stores bytes in a tier, of this version where it is known already; nil where it fails.
    func store(
        _ body: ObjectBody, in placed: Placed, _ key: ObjectKey, of info: ObjectInfo?
    ) async -> ObjectInfo? {
        var put = PutOptions(attributes: ObjectAttributes(metadata: info.map(Self.marks) ?? [:]))
        if placed.store.capabilities.contains(.timeToLive) {
            let time = now()
            guard info?.isExpired(at: time) != true else { return nil }
            put.timeToLive = info?.remainingTimeToLive(at: time)
        }
        do throws(StorageError) {
            return try await placed.store.put(key, body, options: put)
        } catch {
            if error.kind != .cancelled && error.kind != .tooLarge { countFailure(placed) }
            return nil
        }
    }

    /// Removes a copy of this version from a tier; whether that did not fail.
    func remove(_ key: ObjectKey, version: Version, from placed: Placed) async -> Bool {
        let canMatch = placed.store.capabilities.contains(.compareAndSwap)
        let precondition = canMatch ? Precondition.matches(version) : .none
        do throws(StorageError) {
            _ = try await placed.store.delete(key, options: DeleteOptions(precondition: precondition))
        } catch {
            // Another copy has taken its place already.
            guard error.kind == .preconditionFailed else {
                countFailure(placed)
                return false
            }
        }
        index.withLock { $0[placed.tier]?.remove(key, version: version) }
        return true
    }

    /// Removes whatever the tiers hold of `key`. A copy that can't be removed is not trusted, so it is never served.
    func removeCopies(of key: ObjectKey, from tiers: Set<UpperTier> = Set(UpperTier.allCases)) async {
        for placed in uppers where tiers.contains(placed.tier) {
            do throws(StorageError) {
                try await placed.store.delete(key)
                index.withLock { $0[placed.tier]?.remove(key) }
            } catch {
                countFailure(placed)
            }
        }
    }
}
