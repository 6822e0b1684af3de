import ArgumentParser
import FileStorage
import Foundation
import SQLiteStorage
import Storage

/// A store on the disk or in memory, or the way to a thread of a store's own and back.
struct LocalBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "local")

    @Argument(help: "file, sqlite, memory or threads.") var type: String
    @Argument(help: "The folder, or the database; for memory: how many objects there are.") var path: String
    @Argument(help: "put, get, read (not verified), or list.") var kind: String
    @Argument(help: "The size of each object; how many keys to list.") var size: Int
    @Argument(help: "How many operations at once.") var inFlight: Int
    @Argument(help: "How many operations in all.") var count: Int
    @Argument(help: "always, batched or none.") var durability = "always"

    func run() async throws {
        if type == "threads" {
            let threads = try IOThreads(count: 1)
            return try await measure(count: count, inFlight: inFlight) { _ in try await threads.run {} }
        }
        if type == "memory" { return try await measureMemory() }
        let store = try await open()
        let work = try work(store)
        if kind != "put" { for index in 0..<1000 { try await work(index) } }
        try await measure(count: count, inFlight: inFlight, work)
        await store.shutdown()
    }

    private func open() async throws -> any Store {
        if type == "sqlite" {
            guard let durability = SQLiteStoreConfiguration.Durability(rawValue: durability) else {
                throw ValidationError("unknown durability \(durability)")
            }
            return try await SQLiteStore.open(SQLiteStoreConfiguration(path: path, durability: durability))
        }
        guard type == "file", let durability = FileStoreConfiguration.Durability(rawValue: durability) else {
            throw ValidationError("unknown type \(type) or durability \(durability)")
        }
        return try await FileStore.open(FileStoreConfiguration(path: path, durability: durability))
    }

    /// A memory store with a thousand keys below each prefix.
    private func filled() async throws -> MemoryStore {
        let store = MemoryStore()
        let body = ObjectBody([UInt8](repeating: 7, count: 64))
        for index in 0..<objects { try await store.put(try Self.memoryKey(index), body) }
        return store
    }

    private var objects: Int { Int(path) ?? 0 }

    private static func memoryKey(_ index: Int) throws -> ObjectKey {
        try ObjectKey(validating: "folder/\(padded(index / 1000))/\(padded(index))")
    }

    private func work(_ store: any Store) throws -> @Sendable (Int) async throws -> Void {
        let size = size
        let payload = [UInt8](repeating: 7, count: size)
        switch kind {
        case "put":
            let keys = try (0..<count).map(Self.key)
            return { try await store.put(keys[$0], ObjectBody(payload)) }
        case "get", "read":
            let options = GetOptions(verify: kind == "get")
            let keys = try (0..<1000).map(Self.key)
            return { index in
                let object = try await store.get(keys[index % 1000], options: options)
                let bytes = try await object.body.collect(upTo: size)
                guard bytes.count == size else { throw ValidationError("\(bytes.count) bytes") }
            }
        case "list":
            return { _ in
                let page = try await store.list(ListQuery(prefix: "key/", limit: size))
                guard page.keys.count == size else { throw ValidationError("\(page.keys.count) keys") }
            }
        default: throw ValidationError("unknown kind \(kind)")
        }
    }

    private func measureMemory() async throws {
        let (store, objects) = (try await filled(), objects)
        if kind == "list" {
            try await measure(count: count, inFlight: inFlight) { _ in
                let prefix = "folder/\(Self.padded(.random(in: 0..<objects / 1000)))/"
                let page = try await store.list(ListQuery(prefix: prefix, limit: 1000))
                guard page.keys.count == 1000 else { throw ValidationError("\(page.keys.count) keys") }
            }
        } else {
            // A caller has just made its key, or read it.
            let random = { @Sendable (_: Int) in try Self.memoryKey(.random(in: 0..<objects)) }
            try await measure(count: count, inFlight: inFlight, preparing: random) { key in
                let object = try await store.get(key)
                guard object.info.size == 64 else { throw ValidationError("\(object.info.size) bytes") }
            }
        }
    }

    private static func key(_ index: Int) throws -> ObjectKey { try ObjectKey(validating: "key/" + padded(index)) }

    private static func padded(_ index: Int) -> String {
        let digits = String(index)
        return String(repeating: "0", count: max(0, 6 - digits.utf8.count)) + digits
    }
}
