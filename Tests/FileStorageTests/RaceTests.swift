import FileStorage
import Foundation
import Storage
import TestSupport
import Testing

/// Two processes that share a store: for half a minute, and where each change waits for the disk a little, or for as long
/// as `FILE_RACE_SECONDS` says.
@Suite struct RaceTests {
    @Test(arguments: [FileStoreConfiguration.Durability.none, .always])
    func twoProcessesShareAStore(_ durability: FileStoreConfiguration.Durability) async throws {
        let seconds = ProcessInfo.processInfo.environment["FILE_RACE_SECONDS"] ?? (durability == .none ? "30" : "4")
        let folder = Folder()
        let arguments = ["file", folder.path, durability.rawValue, "race", seconds]
        let store = try await StoreWriter.race(arguments) { try await folder.store() }
        var count = 0
        for try await key in store.keys(ListQuery(prefix: "keys/")) {
            #expect(try await store.bytes(key).count == (try await store.info(key).size))
            count += 1
        }
        #expect(count > 0 && folder.temporaryFiles == [])
    }

    /// A process that is killed in the middle of everything takes its locks with it.
    @Test func locksEndWithTheirHolder() async throws {
        let folder = Folder()
        let store = try await folder.store(.none)
        for _ in 0..<5 {
            let result = try await StoreWriter.run(
                ["file", folder.path, "none", "race", "60"], tracer: ["timeout", "-s", "KILL", "0.3"])
            #expect(!result.output.contains("increments"))
            for index in 0..<100 {
                try await store.put(ObjectKey(validating: "keys/\(index / 10)/\(index % 10)"), ObjectBody("x"))
            }
            for index in 0..<3 { try await store.delete(ObjectKey(validating: "counters/\(index)")) }
        }
        for try await key in store.keys() { #expect(try await store.bytes(key) == Array("x".utf8)) }
    }
}
