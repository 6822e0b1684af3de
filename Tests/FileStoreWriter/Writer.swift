import FileStorage
import Foundation
import Storage

// What the crash tests run under a tracer: one change of a store, or many by several tasks.
// Usage: file-store-writer FOLDER DURABILITY put|create|delete|retitle KEY [SIZE] | race SECONDS SEED

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
            // Marks in the trace where opening ends and the change begins.
            print("begin")
            fflush(stdout)
            switch arguments[2] {
            case "put": try await put(store, key, arguments, .none)
            case "create": try await put(store, key, arguments, .absent)
            case "delete": try await store.delete(key)
            default:
                let attributes = ObjectAttributes(contentType: "text/new")
                _ = try await store.setMetadata(key, attributes, options: SetMetadataOptions())
            }
            print("done")
        } catch let error as StorageError {
            print("failed \(error.kind.rawValue) \(error)")
        } catch {
            print("failed \(error)")
        }
        fflush(stdout)
    }

    private static func put(
        _ store: FileStore, _ key: ObjectKey, _ arguments: [String], _ precondition: Precondition
    ) async throws {
        let size = arguments.count > 4 ? Int(arguments[4]) ?? 0 : 0
        let body = ObjectBody([UInt8](repeating: UInt8(ascii: "n"), count: size))
        _ = try await store.put(key, body, options: PutOptions(precondition: precondition))
    }
}
