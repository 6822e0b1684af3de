import FoundationEssentials
import Storage
import Synchronization

/// A store that counts what is done to it; the rest it leaves to the store beneath.
final class ProbeStore: Store {
    private struct State {
        var operations: [StorageError.Operation] = []
        var running = 0
        var most = 0
        var bodies = 0
    }

    let base: any Store
    let capabilities: Capabilities
    /// Whether gets give their bodies as streams of chunks of 1000 bytes.
    private let state = Mutex(State())
    private let object: [UInt8]

    /// A store over `base`, where every key holds `object` unless it is empty.
    init(_ base: any Store = MemoryStore(), capabilities: Capabilities? = nil, object: [UInt8] = [1, 2, 3]) {
        self.base = base
        self.capabilities = capabilities ?? base.capabilities
        self.object = object
    }

    var operations: [StorageError.Operation] { state.withLock { $0.operations } }
    var count: Int { operations.count }
    /// How many ran at once.
    var most: Int { state.withLock { $0.most } }

    private func run<Value>(
        _ operation: StorageError.Operation, _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        state.withLock { state in
            state.operations.append(operation)
            state.running += 1
            state.most = max(state.most, state.running)
        }
        for _ in 0..<10 { await Task.yield() }
        defer { state.withLock { $0.running -= 1 } }
        return try await body()
    }

    func put(_ key: ObjectKey, _ body: ObjectBody, options: PutOptions) async throws(StorageError) -> ObjectInfo {
        try await run(.put) { () async throws(StorageError) in try await base.put(key, body, options: options) }
    }

    func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try await run(.get) { () async throws(StorageError) in
            guard !object.isEmpty else { return try await base.get(key, options: options) }
            let info = ObjectInfo(
                key: key, size: object.count, version: Version("1"), digest: Digest(of: object), modified: .distantPast)
            let range = try options.range?.resolve(size: object.count) ?? 0..<object.count
            return StoredObject(info: info, range: range, body: .stream(Array(object[range]), chunk: 1000))
        }
    }

    func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await run(.info) { () async throws(StorageError) in try await base.info(key, options: options) }
    }

    func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await run(.delete) { () async throws(StorageError) in try await base.delete(key, options: options) }
    }

    func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try await run(.list) { () async throws(StorageError) in try await base.list(query) }
    }

    func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await run(.setMetadata) { () async throws(StorageError) in
            try await base.setMetadata(key, attributes, options: options)
        }
    }

    func shutdown() async {
        await base.shutdown()
    }
}

extension ObjectBody {
    /// A stream of `bytes` in chunks.
    static func stream(_ bytes: [UInt8], chunk: Int = 1000, size: Int? = nil) -> ObjectBody {
        let next = Mutex(0)
        return ObjectBody(size: size) { () async throws(StorageError) in
            let range = next.withLock { start in
                let end = Swift.min(start + chunk, bytes.count)
                defer { start = end }
                return start..<end
            }
            return range.isEmpty ? nil : Array(bytes[range])
        }
    }
}
