public import Metrics
public import Storage
import Synchronization

/// A layer that counts and times what is done to a store, as swift-metrics: whatever metrics system the program has
/// chosen takes them.
///
/// - `nats_storage_store_operations_total`: operations that ended, by `store` and `operation`.
/// - `nats_storage_store_errors_total`: those that failed, by `code` too.
/// - `nats_storage_store_operation_duration_seconds`: how long they took; a get until its body was opened.
/// - `nats_storage_store_bytes_total`: bytes of bodies that passed, by `store` and `direction`, `in` or `out`.
public final class InstrumentedStore: StoreLayer {
    private struct Instruments: Sendable {
        let count: Counter
        let duration: Timer
    }

    private struct Failure: Hashable {
        let operation: StorageError.Operation
        let kind: StorageError.Kind
    }

    private let base: any Store
    private let name: String
    private let factory: any MetricsFactory
    private let put, get, info, delete, list, setMetadata: Instruments
    private let bytesIn: Counter
    private let bytesOut: Counter
    /// Made when they are first needed: most never are.
    private let failures = Mutex<[Failure: Counter]>([:])

    /// `base`, whose metrics tell `name` as their store.
    ///
    /// - Parameter factory: the metrics system; the program's unless given.
    public init(_ base: any Store, name: String, factory: any MetricsFactory = MetricsSystem.factory) {
        self.base = base
        self.name = name
        self.factory = factory
        func instruments(_ operation: StorageError.Operation) -> Instruments {
            let dimensions = [("store", name), ("operation", operation.rawValue)]
            return Instruments(
                count: Counter(label: "nats_storage_store_operations_total", dimensions: dimensions, factory: factory),
                duration: Timer(
                    label: "nats_storage_store_operation_duration_seconds", dimensions: dimensions,
                    preferredDisplayUnit: .seconds,
                    factory: factory)
            )
        }
        put = instruments(.put)
        get = instruments(.get)
        info = instruments(.info)
        delete = instruments(.delete)
        list = instruments(.list)
        setMetadata = instruments(.setMetadata)
        bytesIn = Counter(
            label: "nats_storage_store_bytes_total", dimensions: [("store", name), ("direction", "in")],
            factory: factory)
        bytesOut = Counter(
            label: "nats_storage_store_bytes_total", dimensions: [("store", name), ("direction", "out")],
            factory: factory)
    }

    public var capabilities: Capabilities { base.capabilities }

    public var beneath: [any Store] { [base] }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await measured(.put, put) { () async throws(StorageError) in
            try await base.put(key, counted(body, bytesIn), options: options)
        }
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try await measured(.get, get) { () async throws(StorageError) in
            var object = try await base.get(key, options: options)
            object.body = counted(object.body, bytesOut)
            return object
        }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await measured(.info, info) { () async throws(StorageError) in try await base.info(key, options: options) }
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await measured(.delete, delete) { () async throws(StorageError) in
            try await base.delete(key, options: options)
        }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try await measured(.list, list) { () async throws(StorageError) in try await base.list(query) }
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await measured(.setMetadata, setMetadata) { () async throws(StorageError) in
            try await base.setMetadata(key, attributes, options: options)
        }
    }

    public func shutdown() async {
        await base.shutdown()
    }

    private func measured<Value>(
        _ operation: StorageError.Operation, _ instruments: Instruments,
        _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        let start = ContinuousClock.now
        defer {
            instruments.duration.record(duration: ContinuousClock.now - start)
            instruments.count.increment()
        }
        do throws(StorageError) {
            return try await body()
        } catch {
            failed(operation, error.kind)
            throw error
        }
    }

    private func failed(_ operation: StorageError.Operation, _ kind: StorageError.Kind) {
        let counter = failures.withLock { failures in
            let failure = Failure(operation: operation, kind: kind)
            if let counter = failures[failure] { return counter }
            let counter = Counter(
                label: "nats_storage_store_errors_total",
                dimensions: [("store", name), ("operation", operation.rawValue), ("code", kind.rawValue)],
                factory: factory)
            failures[failure] = counter
            return counter
        }
        counter.increment()
    }

    private func counted(_ body: ObjectBody, _ counter: Counter) -> ObjectBody {
        if let bytes = body.bytesAtHand {
            counter.increment(by: bytes.count)
            return body
        }
        let pull = body.pull
        return ObjectBody(size: body.size, trailingDigest: body.trailingDigest) { () async throws(StorageError) in
            guard let chunk = try await pull() else { return nil }
            counter.increment(by: chunk.count)
            return chunk
        }
    }
}
