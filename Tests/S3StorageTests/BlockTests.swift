import Foundation
import HTTP
import S3Storage
import Storage
import StorageConformance
import StorageLayers
import TestSupport
import Testing

/// Blocks over S3, which compares bytes where it is to compare versions.
@Suite struct BlockTests {
    @Test func conformance() async throws {
        let server = try await S3Server(.seaweed)
        let store = try BlockStore(try await server.open())
        let differences: Set = ["keys/of-any-characters-are-kept-apart", "keys/of-1024-bytes"]
        let races: Set = ["concurrency/a-key-and-one-below-it-are-both-kept"]
        for result in await ConformanceSuite.run(on: store) where !races.contains(result.name) {
            #expect(result.isFailure == differences.contains(result.name), "\(result.name): \(result.complaint ?? "")")
        }
        await store.shutdown()
    }

    /// The versions of small objects differ, as the server compares them.
    @Test func ofRacingWritersOneWins() async throws {
        let server = try await FaultServer()
        let store = try BlockStore(try await server.open())
        var current = try await store.put("key", ObjectBody("start"))
        for round in 0..<10 {
            let options = PutOptions(precondition: .matches(current.version))
            let winners = await withTaskGroup(of: ObjectInfo?.self) { group in
                for writer in 0..<8 {
                    group.addTask { try? await store.put("key", ObjectBody("\(round) \(writer)"), options: options) }
                }
                return await group.reduce(into: [ObjectInfo]()) { found, info in if let info { found.append(info) } }
            }
            #expect(winners.count == 1)
            current = try await store.info("key")
            // S3 tells the time only when asked.
            #expect(winners.first?.version == current.version)
        }
    }

    /// A put comes to use an old block after the collection has looked at it for the last time.
    @Test func aBlockThatIsRenewedStays() async throws {
        let server = try await FaultServer()
        let clock = TestClock()
        let store = try BlockStore(try await server.open(), now: clock.now)
        try await store.put("old", ObjectBody("bytes"))
        try await store.delete("old")
        clock.advance(4000)
        try await server.fail(["kind": "late", "method": "DELETE", "match": "/blocks/"])
        async let collection = store.collect()
        try await eventually("no block is removed") {
            try await server.state().requests.contains { $0.hasPrefix("DELETE /bucket/blocks/") }
        }
        try await store.put("new", ObjectBody("bytes"))
        try await server.release()
        #expect(try await collection.removed == 0)
        #expect(try await store.bytes("new") == Array("bytes".utf8))
    }
}
