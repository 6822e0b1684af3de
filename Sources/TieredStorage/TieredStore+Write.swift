public import Storage

extension TieredStore {
    /// Stores `body` under `key` in cold, and then a copy in each upper tier that takes the key and is not skipped.
    ///
    /// It becomes visible when cold has it. A tier above that fails gets no copy, and never serves an older one. A
    /// body of more than ``Options/bufferLimit`` bytes goes to all tiers at once; its copies count only when cold has
    /// acknowledged it. With a message id copies are compared with cold when they are first read: cold may have stored
    /// another put of that id.
    ///
    /// - Throws: what cold's put throws; then no tier serves anything of it, save that after `timeout` or `unavailable`
    ///   cold may have it.
    public func write(
        _ key: ObjectKey, _ body: ObjectBody, options: TieredPutOptions = TieredPutOptions()
    ) async throws(StorageError) -> TieredPut {
        var put = options.put
        put.timeToLive = put.timeToLive ?? self.options.defaultTimeToLive
        let targets = uppers.filter { placed in
            !options.skip.contains(placed.tier) && accepts(placed, key, size: body.size)
        }
        do throws(StorageError) {
            guard !targets.isEmpty else {
                let claim = Claim(self, key, writes: true)
                let info = try await cold.put(key, body, options: put)
                await removeCopies(of: key)
                withExtendedLifetime(claim) {}
                return TieredPut(info: info, tiers: [.cold])
            }
            var start = BodyStart(body)
            if let bytes = try await start.read(upTo: self.options.bufferLimit) {
                return try await write(key, bytes, start.whole(bytes), put, to: targets)
            }
            return try await write(key, start.stream, put, to: targets)
        } catch {
            throw error.during(.put, key: key)
        }
    }

    /// Bytes at hand: to cold, and then to the others.
    private func write(
        _ key: ObjectKey, _ bytes: [UInt8], _ body: ObjectBody, _ put: PutOptions, to targets: [Placed]
    ) async throws(StorageError) -> TieredPut {
        let claim = Claim(self, key, writes: true, trusts: !put.mayRepeat)
        let info = try await cold.put(key, body, options: put)
        var filled: [Placed] = []
        if info.key == key {
            for placed in targets where accepts(placed, key, size: bytes.count) {
                if await fill(placed, with: ObjectBody(bytes), of: info, claim) { filled.append(placed) }
            }
        }
        return await finish(info, filled, claim)
    }

    /// A stream: to all at once. What the copies are of is known when cold has acknowledged it.
    private func write(
        _ key: ObjectKey, _ body: ObjectBody, _ put: PutOptions, to targets: [Placed]
    ) async throws(StorageError) -> TieredPut {
        let claim = Claim(self, key, writes: true, trusts: !put.mayRepeat)
        let relays = targets.map { BodyRelay(limit: min($0.upper.limits.maxObjectBytes, $0.upper.limits.maxBytes)) }
        let tee = BodyTee(body.pull, to: relays)
        // They end with the tee, which ends here; both are waited for below.
        let copies = zip(targets, relays).map { placed, relay in
            Task { [self] in
                let copy = await store(relay.body(size: body.size), in: placed, key, of: nil)
                relay.finish(.failure(.cancelled))
                return copy
            }
        }
        let info: ObjectInfo
        do throws(StorageError) {
            let teed = ObjectBody(size: body.size, trailingDigest: body.trailingDigest) {
                () async throws(StorageError) in try await tee.next()
            }
            info = try await cold.put(key, teed, options: put)
        } catch {
            tee.finish(.failure(.cancelled))
            for (placed, copy) in zip(targets, copies) {
                if let copy = await copy.value { _ = await remove(key, version: copy.version, from: placed) }
            }
            throw error
        }
        // Where cold did not read to the end: as for a message id that it knew.
        tee.finish(.failure(.cancelled))
        var filled: [Placed] = []
        for (placed, copy) in zip(targets, copies) {
            guard let copy = await copy.value else { continue }
            if info.key == key, await accept(copy, of: info, in: placed, claim) { filled.append(placed) }
        }
        return await finish(info, filled, claim)
    }

    /// Removes the copies of the version before where none of the new one came.
    private func finish(_ info: ObjectInfo, _ filled: [Placed], _ claim: Claim) async -> TieredPut {
        await removeCopies(of: claim.key, from: Set(UpperTier.allCases).subtracting(filled.map(\.tier)))
        withExtendedLifetime(claim) {}
        return TieredPut(info: info, tiers: Set(filled.map(\.tier.tier)).union([.cold]))
    }
}
