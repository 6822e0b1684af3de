public import Storage

/// A layer that lets only so many operations at a time through to the store beneath; the others wait for their turn, in
/// the order of their coming.
///
/// A get counts until its body was read to the end, failed, or was let go: whoever holds bodies open while he starts
/// other operations needs a limit above the number of those bodies.
public final class LimitedStore: StoreLayer {
    private let base: any Store
    private let maxConcurrent: Int
    private let permits: Permits

    /// `base`, for at most `maxConcurrent` operations at once.
    ///
    /// - Parameters:
    ///   - maxConcurrent: at least 1; less counts as 1.
    ///   - maxWaiting: how many may wait; one more is `unavailable` at once.
    public init(_ base: any Store, maxConcurrent: Int, maxWaiting: Int = 10_000) {
        self.base = base
        self.maxConcurrent = max(1, maxConcurrent)
        permits = Permits(self.maxConcurrent, maxWaiting: max(0, maxWaiting))
    }

    /// How many operations have had their turn and are under way.
    public var inFlight: Int { maxConcurrent - permits.counts.free }

    /// How many operations wait for their turn.
    public var waiting: Int { permits.counts.waiting }

    public var capabilities: Capabilities { base.capabilities }

    public var beneath: [any Store] { [base] }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await inTurn(.put, key) { () async throws(StorageError) in
            try await base.put(key, body, options: options)
        }
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        let permit = try await permit(.get, key)
        var object: StoredObject
        do throws(StorageError) {
            object = try await base.get(key, options: options)
        } catch {
            permit.giveBack()
            throw error
        }
        if object.body.bytesAtHand != nil { permit.giveBack() } else { object.body = object.body.holding(permit) }
        return object
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await inTurn(.info, key) { () async throws(StorageError) in try await base.info(key, options: options) }
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await inTurn(.delete, key) { () async throws(StorageError) in try await base.delete(key, options: options) }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try await inTurn(.list, nil) { () async throws(StorageError) in try await base.list(query) }
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await inTurn(.setMetadata, key) { () async throws(StorageError) in
            try await base.setMetadata(key, attributes, options: options)
        }
    }

    /// Shuts the store beneath down at once; whoever waits finds it so in his turn.
    public func shutdown() async {
        await base.shutdown()
    }

    private func permit(
        _ operation: StorageError.Operation, _ key: ObjectKey?
    ) async throws(StorageError) -> Permits.Permit {
        do throws(StorageError) {
            return try await permits.take()
        } catch {
            throw error.during(operation, key: key)
        }
    }

    private func inTurn<Value>(
        _ operation: StorageError.Operation, _ key: ObjectKey?, _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        let permit = try await permit(operation, key)
        defer { permit.giveBack() }
        return try await body()
    }
}

extension ObjectBody {
    /// The same body, which gives `permit` back at its end.
    fileprivate func holding(_ permit: Permits.Permit) -> ObjectBody {
        let pull = pull
        return ObjectBody(size: size) { () async throws(StorageError) in
            do throws(StorageError) {
                guard let chunk = try await pull() else {
                    permit.giveBack()
                    return nil
                }
                return chunk
            } catch {
                permit.giveBack()
                throw error
            }
        }
    }
}
