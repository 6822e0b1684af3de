import Foundation
import Storage
import StorageLayers
import TestSupport
import Testing
import TieredStorage

@Suite struct TieredStoreTests {
    private let tiers = Tiers()

    @Test func writesFlowDownAndReadsBubbleUp() async throws {
        let store = tiers.store()
        let put = try await store.write("k", ObjectBody("one"))
        #expect(put.tiers == [.hot, .warm, .cold])
        #expect(try await tiers.cold.info("k") == put.info)
        #expect(try await store.text("k") == ("one", .hot))
        try await tiers.hot.delete("k")
        #expect(try await store.text("k") == ("one", .warm))
        #expect(try await store.text("k") == ("one", .hot))
        try await tiers.hot.delete("k")
        try await tiers.warm.delete("k")
        #expect(try await store.text("k") == ("one", .cold))
        #expect(await tiers.holders(of: "k") == [.hot, .warm, .cold])
        #expect(try await store.text("k") == ("one", .hot))
        #expect(try await store.read("k").object.info == put.info)
    }

    @Test func lazyReadsLeaveNoCopies() async throws {
        let store = tiers.store { $0.promotion = .lazy }
        try await tiers.cold.put("k", ObjectBody("one"))
        for _ in 0..<2 { #expect(try await store.text("k") == ("one", .cold)) }
        #expect(await tiers.holders(of: "k") == [.cold])
        #expect(try await store.promote("k", to: .warm))
        #expect(try await store.text("k") == ("one", .warm))
        #expect(try await store.promote("k", to: .hot))
        #expect(try await store.text("k") == ("one", .hot))
        await store.evict("k", from: .hot)
        #expect(try await store.text("k") == ("one", .warm))
    }

    @Test func skippedTiersGetNothingAndKeepNothingOld() async throws {
        let store = tiers.store()
        try await store.put("k", ObjectBody("one"))
        let put = try await store.write("k", ObjectBody("two"), options: TieredPutOptions(skip: [.hot]))
        #expect(put.tiers == [.warm, .cold])
        #expect(await tiers.holders(of: "k") == [.warm, .cold])
        #expect(try await store.text("k") == ("two", .warm))
        let none = try await store.write("k", ObjectBody("three"), options: TieredPutOptions(skip: [.hot, .warm]))
        #expect(none.tiers == [.cold])
        #expect(await tiers.holders(of: "k") == [.cold])
    }

    @Test func placementDecidesByPatternAndPrefix() async throws {
        let logs = try KeyPattern(validating: "logs/*")
        let store = tiers.store { options in
            options.placement = [
                PlacementRule(.pattern(logs), tiers: []), PlacementRule(.prefix("large/"), tiers: [.warm]),
            ]
        }
        #expect(try await store.write("logs/a", ObjectBody("x")).tiers == [.cold])
        #expect(try await store.write("logs/a/b", ObjectBody("x")).tiers == [.hot, .warm, .cold])
        #expect(try await store.write("large/a", ObjectBody("x")).tiers == [.warm, .cold])
        for _ in 0..<2 {
            #expect(try await store.text("logs/a").tier == .cold)
            #expect(try await store.text("large/a").tier == .warm)
        }
        #expect(try await store.promote("logs/a", to: .hot) == false)
    }

    @Test func objectsTooLargeForATierGoBelowIt() async throws {
        let store = tiers.store(hot: TierLimits(maxObjectBytes: 10)) { $0.bufferLimit = 100 }
        for size in [11, 101, 5000] {
            let content = bytes(size)
            for body in [ObjectBody(content), stream(content, chunk: 50)] {
                #expect(try await store.write("k", body).tiers == [.warm, .cold], "\(size)")
                #expect(await tiers.holders(of: "k") == [.warm, .cold])
                let found = try await store.read("k")
                #expect(found.tier == .warm)
                #expect(try await found.object.body.collect(upTo: size) == content)
            }
        }
    }

    @Test func largeBodiesGoToAllTiersAsTheyCome() async throws {
        let store = tiers.store { $0.bufferLimit = 1000 }
        let content = bytes(300_000)
        let put = try await store.write("k", stream(content, chunk: 7000))
        #expect(put.tiers == [.hot, .warm, .cold])
        #expect(put.info.digest == Digest(of: content))
        try await store.evict(prefix: "")
        #expect(await tiers.holders(of: "k") == [.cold])
        // The copies are there when the reader is told of the end.
        #expect(try await store.bytes("k") == content)
        #expect(await tiers.holders(of: "k") == [.hot, .warm, .cold])
        #expect(try await store.read("k").tier == .hot)
    }

    @Test func aBodyThatBreaksOffLeavesEverythingAsItWas() async throws {
        let store = tiers.store { $0.bufferLimit = 1000 }
        try await store.put("k", ObjectBody("one"))
        let error = StorageError(.invalid, "broken off")
        await #expect(throws: StorageError.self) {
            try await store.put("k", stream(bytes(50_000), chunk: 7000, then: error))
        }
        #expect(try await store.text("k").text == "one")
        #expect(try await tiers.hot.bytes("k") == Array("one".utf8))
    }

    @Test func aReaderThatLetsGoLeavesNoCopy() async throws {
        let content = bytes(300_000)
        var options = TieredStore.Options()
        options.promotion = .eager
        options.bufferLimit = 10
        let store = TieredStore(hot: .init(tiers.hot), cold: Chunked(tiers.cold), options: options)
        try await tiers.cold.put("k", ObjectBody(content))
        do {
            var iterator = try await store.read("k").object.body.makeAsyncIterator()
            #expect(try await iterator.next()?.count == 1000)
        }
        #expect(await tiers.holders(of: "k") == [.cold])
        // Once the copy that was given up has ended, another is made.
        try await eventually("no copy is made") { () async throws in
            #expect(try await store.bytes("k") == content)
            return await tiers.holders(of: "k") == [.hot, .cold]
        }
    }

    @Test func rangesAndConditionsAreServedFromCopies() async throws {
        let store = tiers.store()
        let info = try await store.put("k", ObjectBody("0123456789"))
        let part = try await store.read(
            "k", options: GetOptions(range: .bounded(first: 2, last: 4), ifMatch: info.version))
        #expect(part.tier == .hot && part.object.range == 2..<5)
        #expect(try await part.object.body.collect(upTo: 9) == Array("234".utf8))
        let other = try await tiers.cold.put("k", ObjectBody("other"))
        // Asked for by version, what another process wrote is found.
        let found = try await store.read("k", options: GetOptions(ifMatch: other.version))
        #expect(found.tier == .cold)
        #expect(try await store.text("k").text == "other")
        let error = await #expect(throws: StorageError.self) {
            try await store.get("k", options: GetOptions(ifMatch: info.version))
        }
        #expect(error?.kind == .preconditionFailed && error?.currentVersion == other.version)
    }

    @Test func timeToLiveComesFromThePutOrTheDefault() async throws {
        let store = tiers.store { $0.defaultTimeToLive = .seconds(10) }
        let first = try await store.put("default", ObjectBody("x"))
        #expect(first.expires == tiers.clock.now().addingTimeInterval(10))
        _ = try await store.put("own", ObjectBody("x"), options: PutOptions(timeToLive: .seconds(20)))
        tiers.clock.advance(11)
        await #expect(throws: StorageError.self) { try await store.get("default") }
        await #expect(throws: StorageError.self) { try await store.info("default") }
        #expect(try await store.text("own").tier == .hot)
        let touched = try await store.touch("own", timeToLive: .seconds(100))
        #expect(touched.expires == tiers.clock.now().addingTimeInterval(100))
        tiers.clock.advance(50)
        #expect(try await store.text("own") == ("x", .hot))
        tiers.clock.advance(50)
        await #expect(throws: StorageError.self) { try await store.get("own") }
        await #expect(throws: StorageError.self) { try await store.touch("own") }
    }

    @Test func touchingKeepsWhatTheObjectIs() async throws {
        let store = tiers.store()
        let attributes = ObjectAttributes(contentType: "a/b", metadata: ["m": ["1", "2"]])
        let before = try await store.put("k", ObjectBody("x"), options: PutOptions(attributes: attributes))
        let after = try await store.touch("k", timeToLive: .seconds(5))
        #expect(after.attributes == attributes && after.digest == before.digest && after.version != before.version)
    }

    @Test func deletesGoThroughAllTiers() async throws {
        let store = tiers.store()
        for key in ["a/1", "a/2", "a/3", "b/1", "b/2"] as [ObjectKey] { try await store.put(key, ObjectBody("x")) }
        #expect(try await store.delete("a/1"))
        #expect(await tiers.holders(of: "a/1") == [])
        #expect(try await store.deleteMany(["a/2", "none", "b/1"]) == 2)
        #expect(try await store.invalidate(prefix: "a/") == 1)
        #expect(await tiers.holders(of: "a/3") == [])
        try await tiers.hot.put("left/behind", ObjectBody("x"))
        #expect(try await store.clear() == 1)
        #expect(tiers.hot.statistics.entries + tiers.warm.statistics.entries + tiers.cold.statistics.entries == 0)
        let keys = try (0..<100).map { try ObjectKey(validating: "many/\($0)") }
        for key in keys { try await store.put(key, ObjectBody("x")) }
        #expect(try await store.deleteMany(keys) == 100)
    }

    @Test func statisticsTellWhatEachTierDid() async throws {
        let store = tiers.store()
        try await store.put("a", ObjectBody("12345"))
        try await tiers.cold.put("b", ObjectBody("123"))
        for _ in 0..<3 { _ = try await store.text("a") }
        _ = try await store.text("b")
        await #expect(throws: StorageError.self) { try await store.get("none") }
        let statistics = try await store.statistics()
        #expect(statistics.hot?.hits == 3 && statistics.hot?.misses == 2)
        #expect(statistics.warm?.hits == 0 && statistics.warm?.misses == 2)
        #expect(statistics.cold.hits == 1 && statistics.cold.misses == 1)
        #expect(statistics.hot?.items == 2 && statistics.hot?.bytes == 8)
        #expect(statistics.cold.items == 2 && statistics.cold.bytes == 8)
        #expect(statistics.totalHits == 4 && statistics.totalMisses == 5)
        #expect(statistics.hitRate == 4.0 / 9.0 && statistics.hot?.hitRate == 0.6)
        let residence = store.residence(of: "a")
        #expect(residence.tiers == [.hot, .warm] && residence.accesses == 3)
        #expect(residence.lastAccess == tiers.clock.now())
    }

    @Test func infosAndMetadataAreColds() async throws {
        let store = tiers.store()
        try await store.put("k", ObjectBody("x"))
        let attributes = ObjectAttributes(contentType: "a/b", metadata: ["storage-tier-version": ["mine"]])
        let changed = try await store.setMetadata("k", attributes, options: SetMetadataOptions())
        let found = try await store.read("k")
        #expect(found.tier == .hot && found.object.info == changed)
        #expect(try await tiers.cold.info("k") == changed)
        #expect(try await store.info("k") == changed)
    }
}

/// A store whose bodies come in chunks of 1,000 bytes.
struct Chunked: ForwardingStore {
    let base: any Store

    init(_ base: any Store) {
        self.base = base
    }

    func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        var object = try await base.get(key, options: options)
        object.body = stream(try await object.body.collect(upTo: 1 << 26), chunk: 1000)
        return object
    }
}
