public import Storage

/// A layer that holds the operations on a store, and the bytes of their bodies, to configured rates.
///
/// What is over a rate waits in the order of its coming, or is refused with `throttled`. A streamed body is slowed down as
/// it passes; one at hand passes at once, and what comes behind it waits.
public final class ThrottledStore: StoreLayer {
    private let base: any Store
    private let throttle: Throttle

    /// `base`, at the rates of `options`.
    public convenience init(_ base: any Store, _ options: ThrottleOptions) {
        self.init(base, options, clock: .real)
    }

    package init(_ base: any Store, _ options: ThrottleOptions, clock: LayerClock) {
        self.base = base
        throttle = Throttle(options, clock)
    }

    /// What was let through and held back since the layer was made.
    public var statistics: ThrottleStatistics { throttle.statistics }

    public var capabilities: Capabilities { base.capabilities }

    public var beneath: [any Store] { [base] }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await admitted(.write, .put, key) { () async throws(StorageError) in
            try await base.put(key, paced(body), options: options)
        }
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try await admitted(.read, .get, key) { () async throws(StorageError) in
            var object = try await base.get(key, options: options)
            object.body = paced(object.body)
            return object
        }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await admitted(.read, .info, key) { () async throws(StorageError) in
            try await base.info(key, options: options)
        }
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await admitted(.write, .delete, key) { () async throws(StorageError) in
            try await base.delete(key, options: options)
        }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try await admitted(.read, .list, nil) { () async throws(StorageError) in try await base.list(query) }
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await admitted(.write, .setMetadata, key) { () async throws(StorageError) in
            try await base.setMetadata(key, attributes, options: options)
        }
    }

    /// Shuts the store beneath down; what waits finds it so in its turn.
    public func shutdown() async {
        await base.shutdown()
    }

    private func admitted<Value>(
        _ direction: Throttle.Direction, _ operation: StorageError.Operation, _ key: ObjectKey?,
        _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        do throws(StorageError) {
            try await throttle.admit(direction)
        } catch {
            throw error.during(operation, key: key)
        }
        return try await body()
    }

    private func paced(_ body: ObjectBody) -> ObjectBody {
        guard throttle.limitsBytes else { return body }
        if let bytes = body.bytesAtHand {
            throttle.charge(bytes.count)
            return body
        }
        let (pull, throttle) = (body.pull, throttle)
        return ObjectBody(size: body.size, trailingDigest: body.trailingDigest) { () async throws(StorageError) in
            guard let chunk = try await pull() else { return nil }
            try await throttle.pass(chunk.count)
            return chunk
        }
    }
}
