import FileStorage
import Foundation
import Storage

// What the crash tests run under a tracer: one change of a store, or many by several tasks.
// Usage: file-store-writer FOLDER DURABILITY put|create|exhausted|delete|retitle KEY [SIZE] | race SECONDS SEED

@main struct Writer {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst().map { String($0) }
        guard arguments.count >= 4, let durability = FileStoreConfiguration.Durability(rawValue: arguments[1]) else {
            exit(2)
        }
        let configuration = FileStoreConfiguration(
            path: arguments[0], durability: durability, threads: arguments[2] == "race" ? 8 : 1)
        let store = try await FileStore.open(configuration)
        if arguments[2] == "race" {
            try await Race(store: store, seconds: Double(arguments[3]) ?? 1, name: arguments[4]).run()
        } else {
            await change(store, arguments)
        }
        await store.shutdown()
    }

    private static func change(_ store: FileStore, _ arguments: [String]) async {
        do {
            let key = try ObjectKey(validating: arguments[3])
            try await makeManyCalls(store)
            // Marks in the trace where opening ends and the change begins.
            tell("begin")
            switch arguments[2] {
            case "put": try await put(store, key, arguments, .none)
            case "create": try await put(store, key, arguments, .absent)
            case "exhausted": try await putWithoutDescriptors(store, key, arguments)
            case "delete": try await store.delete(key)
            default:
                let attributes = ObjectAttributes(contentType: "text/new")
                _ = try await store.setMetadata(key, attributes, options: SetMetadataOptions())
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
    private static func makeManyCalls(_ store: FileStore) async throws {
        let key = try ObjectKey(validating: "before")
        for _ in 0..<4 { try await store.put(key, ObjectBody("x")) }
        for _ in 0..<80 { _ = try await store.list(ListQuery(details: true)) }
        try await store.delete(key)
    }

    /// At once, since the process may end with the next system call; and by another call than the store writes with, so
    /// that a fault meant for that one does not meet this.
    private static func tell(_ line: String) {
        var bytes = Array((line + "\n").utf8)
        bytes.withUnsafeMutableBytes { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
            _ = writev(STDOUT_FILENO, &vector, 1)
        }
    }

    private static func put(
        _ store: FileStore, _ key: ObjectKey, _ arguments: [String], _ precondition: Precondition
    ) async throws {
        let size = arguments.count > 4 ? Int(arguments[4]) ?? 0 : 0
        let body = ObjectBody([UInt8](repeating: UInt8(ascii: "n"), count: size))
        _ = try await store.put(key, body, options: PutOptions(precondition: precondition))
    }

    /// Takes every descriptor there is and puts, then lets go of them and puts again.
    private static func putWithoutDescriptors(_ store: FileStore, _ key: ObjectKey, _ arguments: [String]) async throws
    {
        var limit = rlimit(rlim_cur: 200, rlim_max: 200)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var taken: [Int32] = []
        while case let number = open("/dev/null", O_RDONLY), number >= 0 { taken.append(number) }
        do throws(StorageError) {
            _ = try await store.put(key, ObjectBody("x"))
        } catch {
            tell("failed \(error.kind.rawValue) \(error.errorClass.rawValue) \(error)")
        }
        taken.forEach { close($0) }
        try await put(store, key, arguments, .none)
    }
}
