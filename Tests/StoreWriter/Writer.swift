import FileStorage
import Foundation
import Glibc
import SQLiteStorage
import Storage

// What the crash tests run under a tracer: one change of a store, or many by several tasks.
// Usage: store-writer file|sqlite FOLDER DURABILITY VERB KEY [SIZE]
//        VERB: put, repeat (of a message), overwrite, create, delete, retitle, exhausted (without descriptors), full (on a small disk), denied
//        store-writer file|sqlite FOLDER DURABILITY race SECONDS

@main struct Writer {
    let store: any Store
    let arguments: [String]

    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst().map { String($0) }
        guard arguments.count >= 5 else { exit(2) }
        let store = try await open(arguments)
        let writer = Writer(store: store, arguments: arguments)
        if arguments[3] == "race" {
            try await Race(store: store, seconds: Double(arguments[4]) ?? 1).run()
        } else {
            await writer.change()
        }
        await store.shutdown()
    }

    private static func open(_ arguments: [String]) async throws -> any Store {
        if arguments[0] == "sqlite" {
            var configuration = SQLiteStoreConfiguration(path: arguments[1] + "/store.db")
            configuration.durability = SQLiteStoreConfiguration.Durability(rawValue: arguments[2]) ?? .always
            return try await SQLiteStore.open(configuration)
        }
        var configuration = FileStoreConfiguration(path: arguments[1])
        configuration.durability = FileStoreConfiguration.Durability(rawValue: arguments[2]) ?? .always
        configuration.threads = arguments[3] == "race" ? 8 : 1
        return try await FileStore.open(configuration)
    }

    private func change() async {
        do {
            let key = try ObjectKey(validating: arguments[4])
            try await makeManyCalls()
            // Marks in the trace where opening ends and the change begins.
            tell("begin")
            switch arguments[3] {
            case "create": try await put(key, .absent)
            case "repeat": _ = try await store.put(key, ObjectBody("n"), options: PutOptions(messageID: "id"))
            case "exhausted": try await putWithoutDescriptors(key)
            case "full": try await fillTheDisk(key)
            case "denied": try await putWithoutPermission(key)
            case "delete": try await store.delete(key)
            case "retitle":
                let attributes = ObjectAttributes(contentType: "text/new")
                _ = try await store.setMetadata(key, attributes, options: SetMetadataOptions())
            default: try await put(key, .none)
            }
            tell("done")
        } catch let error as StorageError {
            tell("failed \(error.kind.rawValue) \(error.errorClass.rawValue) \(error)")
        } catch {
            tell("failed \(error)")
        }
    }

    /// Faults are aimed at the nth call of a name in whichever thread comes to it first: after this it is the store's own
    /// alone that has made so many.
    private func makeManyCalls() async throws {
        let key = try ObjectKey(validating: "before")
        let (puts, lists) = arguments[0] == "sqlite" ? (30, 0) : (4, 80)
        for _ in 0..<puts { try await store.put(key, ObjectBody("x")) }
        for _ in 0..<lists { _ = try await store.list(ListQuery(details: true)) }
        try await store.delete(key)
    }

    /// At once, since the process may end with the next system call; and by another call than the store writes with, so
    /// that a fault meant for that one does not meet this.
    private func tell(_ line: String) {
        var bytes = Array((line + "\n").utf8)
        bytes.withUnsafeMutableBytes { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
            _ = writev(STDOUT_FILENO, &vector, 1)
        }
    }

    private func put(_ key: ObjectKey, _ precondition: Precondition) async throws {
        let size = arguments.count > 5 ? Int(arguments[5]) ?? 0 : 0
        let body = ObjectBody([UInt8](repeating: UInt8(ascii: "n"), count: size))
        _ = try await store.put(key, body, options: PutOptions(precondition: precondition))
    }

    /// Takes every descriptor there is and puts, then lets go of them and puts again.
    private func putWithoutDescriptors(_ key: ObjectKey) async throws {
        var limit = rlimit(rlim_cur: 200, rlim_max: 200)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var taken: [Int32] = []
        while case let number = Glibc.open("/dev/null", O_RDONLY), number >= 0 { taken.append(number) }
        await tellFailure { () async throws(StorageError) in try await store.put(key, ObjectBody("x")) }
        taken.forEach { close($0) }
        try await put(key, .none)
    }

    /// Puts until nothing more goes in, then overwrites what was there first; makes room, and overwrites it again.
    private func fillTheDisk(_ key: ObjectKey) async throws {
        // What goes to make room: a database on a full disk has none even for the record of what it removes.
        let ballast = arguments[0] == "sqlite" ? arguments[1] + "/ballast" : nil
        if let ballast { try Data(count: 512 << 10).write(to: URL(fileURLWithPath: ballast)) }
        let body = ObjectBody([UInt8](repeating: 7, count: 50_000))
        try await store.put(key, ObjectBody("old"))
        var filled: [ObjectKey] = []
        await tellFailure { () async throws(StorageError) in
            for index in 0..<1000 {
                let next = try ObjectKey(validating: "fill/\(index)")
                try await store.put(next, body)
                filled.append(next)
            }
        }
        await tellFailure { () async throws(StorageError) in try await store.put(key, body) }
        if try await store.bytes(key) == Array("old".utf8), !filled.isEmpty { tell("whole") }
        if let ballast {
            try FileManager.default.removeItem(atPath: ballast)
        } else {
            for next in filled { try await store.delete(next) }
        }
        try await put(key, .none)
    }

    /// Puts into folders that may not be written, then into the same as they were.
    private func putWithoutPermission(_ key: ObjectKey) async throws {
        let folders = ["tmp", "objects"].map { arguments[1] + "/" + $0 }
        for folder in folders { chmod(folder, 0o555) }
        await tellFailure { () async throws(StorageError) in try await store.put(key, ObjectBody("x")) }
        for folder in folders { chmod(folder, 0o755) }
        try await put(key, .none)
    }

    private func tellFailure(_ body: () async throws(StorageError) -> Void) async {
        do throws(StorageError) {
            try await body()
        } catch {
            tell("failed \(error.kind.rawValue) \(error.errorClass.rawValue) \(error)")
        }
    }
}
