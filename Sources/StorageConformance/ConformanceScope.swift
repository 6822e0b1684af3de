public import Storage
import Synchronization

/// Where a case works: a store, and a random root of its own in it.
public struct ConformanceScope: Sendable {
    private final class Names: Sendable {
        let keys = Mutex<Set<ObjectKey>>([])
    }

    /// The store put to the test.
    public let store: any Store
    /// What all keys of the case begin with, `/` included.
    public let prefix: String
    private let names = Names()

    init(store: any Store) {
        self.store = store
        prefix = "conformance-" + String(UInt64.random(in: 1 << 60 ... .max), radix: 16) + "/"
    }

    /// The key `name` beneath the root, deleted when the case has ended.
    public func key(_ name: String = "object") throws -> ObjectKey {
        let key = try ObjectKey(validating: prefix + name)
        _ = names.keys.withLock { $0.insert(key) }
        return key
    }

    /// The name that ``key(_:)`` made `key` of.
    func name(of key: ObjectKey) -> String {
        String(decoding: key.rawValue.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
    }

    /// Deletes what may be left.
    func cleanUp() async throws(StorageError) {
        for key in names.keys.withLock({ $0 }) { try await store.delete(key) }
    }
}

extension ConformanceScope {
    /// Puts `text` under `name`.
    @discardableResult
    func put(_ name: String, _ text: String = "x", _ options: PutOptions = PutOptions()) async throws -> ObjectInfo {
        try await store.put(try key(name), ObjectBody(text), options: options)
    }

    /// Puts an object of the same text under each name, several at a time.
    func putAll(_ names: [String]) async throws {
        // A key and one below it at once are a case of its own.
        let folders = Set(names)
        let below = names.filter { name in
            name.indices.contains { name[$0] == "/" && folders.contains(String(name[..<$0])) }
        }
        try await putAtOnce(names.filter { !below.contains($0) })
        for name in below { try await store.put(try key(name), ObjectBody("x")) }
    }

    /// Puts eight at a time.
    private func putAtOnce(_ names: [String]) async throws {
        let keys = try names.map { try key($0) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, key) in keys.enumerated() {
                if index >= 8 { try await group.next() }
                group.addTask { try await store.put(key, ObjectBody("x")) }
            }
            try await group.waitForAll()
        }
    }

    /// The text under `key`.
    func text(_ key: ObjectKey) async throws -> String {
        String(decoding: try await store.bytes(key), as: UTF8.self)
    }
}
