import FoundationEssentials
public import Storage
import Synchronization

extension TieredStore {
    /// How many copies leave for one that comes: more than it takes, and never a long wait.
    private static let leavingAtOnce = 64

    /// Brings an upper tier below its limits: copies that must leave are demoted or evicted, those first that were used
    /// longest ago. One task at a time does it for each tier. Whether there may be more to do.
    @discardableResult
    func makeRoom(in placed: Placed) async -> Bool {
        guard takeRoom(placed) else { return false }
        for _ in 0..<Self.leavingAtOnce {
            guard let victim = nextVictim(placed) else { return false }
            let isDemoted = await demote(victim.key, victim.version, victim.size, from: placed)
            guard await remove(victim.key, version: victim.version, from: placed) else {
                releaseRoom(placed)
                return false
            }
            index.withLock { index in
                index[placed.tier]?.counters.evictions += 1
                if isDemoted { index[placed.tier]?.counters.demotions += 1 }
            }
        }
        releaseRoom(placed)
        return true
    }

    private func makeAllRoom() async {
        for placed in uppers { while await makeRoom(in: placed), !Task.isCancelled {} }
    }

    private func takeRoom(_ placed: Placed) -> Bool {
        index.withLock { index in
            guard index[placed.tier]?.isMakingRoom == false else { return false }
            index[placed.tier]?.isMakingRoom = true
            return true
        }
    }

    private func releaseRoom(_ placed: Placed) {
        index.withLock { $0[placed.tier]?.isMakingRoom = false }
    }

    /// What leaves next; where nothing has to, the next task may look.
    private func nextVictim(_ placed: Placed) -> (key: ObjectKey, version: Version, size: Int)? {
        let time = now()
        return index.withLock { index in
            if let victim = index[placed.tier]?.victim(now: time) {
                return (victim.key, victim.copy.version, victim.copy.size)
            }
            index[placed.tier]?.isMakingRoom = false
            return nil
        }
    }

    /// Copies to warm what leaves hot, where it is current and not there yet; whether that was done.
    private func demote(_ key: ObjectKey, _ version: Version, _ size: Int, from placed: Placed) async -> Bool {
        guard placed.tier == .hot, placed.upper.limits.demotes, let warm = uppers.last, warm.tier == .warm,
            accepts(warm, key, size: size)
        else { return false }
        let claim = Claim(self, key, writes: false)
        let known = index.withLock { index -> TierTable.Known? in
            guard let copy = index[.hot]?[key], copy.version == version, index[.warm]?[key]?.known == nil else {
                return nil
            }
            claim.date(from: copy.verified)
            return copy.known
        }
        guard let known, !known.info.isExpired(at: now()) else { return false }
        do throws(StorageError) {
            let object = try await placed.store.get(key)
            guard object.info.version == version else { return false }
            return await fill(warm, with: object.body, of: known.info, claim)
        } catch {
            countFailure(placed)
            return false
        }
    }

    /// Counts what lies in the upper tiers already, so that their limits and statistics speak of it too.
    ///
    /// Reading does not need it: a copy that is found is compared with cold first, counted or not.
    ///
    /// - Throws: what a tier's listing throws.
    public func recover() async throws(StorageError) {
        for placed in uppers {
            var found: [(key: ObjectKey, version: Version, size: Int, modified: Date)] = []
            for try await info in placed.store.infos(ListQuery(limit: ListQuery.maximumLimit)) {
                found.append((info.key, info.version, info.size, info.modified))
            }
            found.sort { $0.modified > $1.modified }
            let (time, instant) = (now(), instant())
            // A few at a time: others wait for the index.
            for start in stride(from: 0, to: found.count, by: 1000) {
                index.withLock { index in
                    for copy in found[start..<min(start + 1000, found.count)] {
                        index[placed.tier]?.recover(
                            copy.key, version: copy.version, size: copy.size, verified: instant, now: time)
                    }
                }
            }
            while await makeRoom(in: placed), !Task.isCancelled {}
        }
    }

    /// Removes the copies of `key` from an upper tier; cold keeps the object.
    public func evict(_ key: ObjectKey, from tier: UpperTier) async {
        await removeCopies(of: key, from: [tier])
    }

    func makeRoom(every interval: Duration) async {
        var isRecovered = false
        repeat {
            do throws(StorageError) {
                if !isRecovered { try await recover() }
                isRecovered = true
            } catch {
                // Tried again with the next round: until then the limits speak of new copies alone.
            }
            await makeAllRoom()
        } while (try? await Task.sleep(for: interval)) != nil
    }
}

extension TieredStore: MaintainedStore {
    /// Brings the upper tiers below their limits, idle copies included, and looks after cold, which says what expired.
    ///
    /// Writes make room too; this is for times without.
    public func maintain() async throws(StorageError) -> Upkeep {
        await makeAllRoom()
        let next = now().addingTimeInterval(60)
        guard let maintained = cold as? any MaintainedStore else { return Upkeep(next: next) }
        var upkeep = try await maintained.maintain()
        upkeep.next = min(upkeep.next, next)
        return upkeep
    }
}
