public import Storage

extension TieredStore {
    private static let concurrency = 16

    /// Deletes objects through all tiers, several at a time; how many there were.
    ///
    /// - Throws: the first error; the other keys were tried all the same.
    @discardableResult
    public func deleteMany(_ keys: [ObjectKey]) async throws(StorageError) -> Int {
        let outcome = await withTaskGroup(of: Result<Bool, StorageError>.self) { group in
            var (count, failure) = (0, StorageError?.none)
            func take(_ result: Result<Bool, StorageError>?) {
                switch result {
                case .success(let existed): count += existed ? 1 : 0
                case .failure(let error): failure = failure ?? error
                case nil: break
                }
            }
            for (number, key) in keys.enumerated() {
                if number >= Self.concurrency { take(await group.next()) }
                group.addTask {
                    do throws(StorageError) {
                        return .success(try await self.delete(key))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            while let result = await group.next() { take(result) }
            return failure.map { .failure($0) } ?? Result<Int, StorageError>.success(count)
        }
        return try outcome.get()
    }

    /// Deletes every object whose key begins with `prefix`, through all tiers; how many there were in cold.
    ///
    /// - Throws: what listing and deleting throw; what was deleted before stays so.
    @discardableResult
    public func invalidate(prefix: String) async throws(StorageError) -> Int {
        var count = 0
        for try await page in cold.pages(ListQuery(prefix: prefix)) { count += try await deleteMany(page.keys) }
        try await evict(prefix: prefix)
        return count
    }

    /// Removes every copy whose key begins with `prefix` from the upper tiers; cold keeps the objects.
    ///
    /// - Throws: what a tier's listing throws.
    public func evict(
        prefix: String, from tiers: Set<UpperTier> = Set(UpperTier.allCases)
    ) async throws(StorageError) {
        for placed in uppers where tiers.contains(placed.tier) {
            for try await key in placed.store.keys(ListQuery(prefix: prefix)) {
                await removeCopies(of: key, from: [placed.tier])
            }
        }
    }

    /// Deletes everything, through all tiers; how many objects there were.
    @discardableResult
    public func clear() async throws(StorageError) -> Int {
        try await invalidate(prefix: "")
    }

    /// Gives the object a new time to live, from now on; nil: the default one, or none.
    ///
    /// No store can renew an expiry alone, so the object is stored again, as a new version. What another writer stores
    /// meanwhile is kept and touched in its place.
    ///
    /// - Throws: `notFound`; `unsupported` where cold has no `compareAndSwap`, or no `timeToLive` and one is asked for.
    @discardableResult
    public func touch(_ key: ObjectKey, timeToLive: Duration? = nil) async throws(StorageError) -> ObjectInfo {
        var attempts = 8
        while true {
            let object = try await get(key)
            let put = PutOptions(
                precondition: .matches(object.info.version), attributes: object.info.attributes,
                timeToLive: timeToLive, expectedDigest: object.info.digest)
            do throws(StorageError) {
                return try await self.put(key, object.body, options: put)
            } catch {
                attempts -= 1
                guard error.kind == .preconditionFailed, attempts > 0 else { throw error }
            }
        }
    }
}
