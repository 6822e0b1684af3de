import Foundation
import JetStreamStorage
import NATS
import Storage
import TestSupport
import Testing

/// Mirrors of a bucket, which anyone may create, and which answer direct gets in its place, late or in part.
@Suite struct MirrorTests {
    private static let keys = (0..<20).compactMap { ObjectKey("k\($0)") }

    /// A mirror that holds everything.
    private func mirror(_ fixture: Fixture) async throws {
        let stream = JetStream(fixture.control)
        var configuration = StreamConfiguration(name: "COPY")
        configuration.mirror = .init(name: "OBJ_B")
        // Servers of 2.9 mirror no meta messages otherwise.
        configuration.allowRollup = true
        _ = try await stream.createStream(configuration)
        let last = try await stream.streamInfo("OBJ_B").state.lastSequence
        try await eventually("not mirrored") { try await stream.streamInfo("COPY").state.lastSequence == last }
    }

    /// Takes from the mirror what it has: to whoever asks, it is late.
    private func delay(_ filter: String, _ fixture: Fixture) async throws {
        #expect(try await JetStream(fixture.control).purge("COPY", filter: filter) > 0)
    }

    private func fill(_ store: JetStreamStore) async throws {
        for key in Self.keys { try await store.put(key, ObjectBody(key.rawValue)) }
    }

    private func expectAll(_ store: JetStreamStore, _ comment: Comment) async throws {
        for key in Self.keys {
            #expect(try await store.info(key).size == key.rawValue.utf8.count, comment)
            #expect(try await store.bytes(key) == Array(key.rawValue.utf8), comment)
        }
        #expect(try await store.list(ListQuery()).keys.count == Self.keys.count, comment)
    }

    /// One that was there before, and one that comes while the bucket is used.
    @Test(arguments: ServerFlavor.allCases, [BucketConfiguration.Index.live, .none])
    func whatIsReadIsTheLatest(_ flavor: ServerFlavor, _ index: BucketConfiguration.Index) async throws {
        let fixture = try await Fixture(flavor) { $0.index = index }
        try await fill(fixture.store)
        try await expectAll(fixture.store, "before")
        try await mirror(fixture)
        try await expectAll(fixture.store, "while both know it")
        try await delay("$O.B.M.>", fixture)
        try await expectAll(fixture.store, "noticed by its answers")
        let other = try await fixture.another { $0.index = index }
        try await expectAll(other, "noticed at the beginning")
        await other.shutdown()
        await fixture.close()
    }

    /// A mirror that never answers anything but that nothing is there.
    @Test(arguments: ServerFlavor.allCases)
    func aSilentMirrorIsNoticedBeforeACleaning(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.cleanEvery = .zero }
        try await fill(fixture.store)
        try await mirror(fixture)
        try await delay("$O.B.M.>", fixture)
        _ = try await fixture.store.maintain()
        try await expectAll(fixture.store, "after the cleaning")
        await fixture.close()
    }

    /// Where any replica may answer, one that lacks a chunk does not make an object a damaged one.
    @Test(arguments: ServerFlavor.allCases, [BucketConfiguration.Index.live, .none])
    func aLateChunkIsAskedForAtTheLeader(_ flavor: ServerFlavor, _ index: BucketConfiguration.Index) async throws {
        let fixture = try await Fixture(flavor) { $0.chunkSize = 1000 }
        try await fixture.store.put("small", ObjectBody(bytes(900)))
        try await fixture.store.put("large", ObjectBody(bytes(9500)))
        try await mirror(fixture)
        try await delay("$O.B.C.>", fixture)
        let reader = try await fixture.another {
            $0.readsAnyReplica = true
            $0.index = index
        }
        _ = try await reader.list(ListQuery())
        for _ in 0..<10 {
            #expect(try await reader.bytes("small") == bytes(900))
            #expect(try await reader.bytes("large") == bytes(9500))
            let options = GetOptions(range: .bounded(first: 5500, last: 5599))
            let part = try await reader.get("large", options: options)
            #expect(try await part.body.collect(upTo: 100) == Array(bytes(9500)[5500..<5600]))
        }
        await reader.shutdown()
        await fixture.close()
    }

    /// What a late replica does not know is no orphan.
    @Test(arguments: ServerFlavor.allCases, [true, false])
    func aCleaningAsksTheLeader(_ flavor: ServerFlavor, _ readsAnyReplica: Bool) async throws {
        let fixture = try await Fixture(flavor)
        try await fill(fixture.store)
        let cleaner = try await fixture.another { $0.readsAnyReplica = readsAnyReplica }
        try await mirror(fixture)
        try await delay("$O.B.M.>", fixture)
        for _ in 0..<3 { #expect(try await cleaner.removeOrphans(olderThan: .zero) == CleaningReport()) }
        try await delay("$O.B.C.>", fixture)
        for _ in 0..<3 { #expect(try await cleaner.removeOrphans(olderThan: .zero) == CleaningReport()) }
        #expect(try await fixture.chunkCount() == Self.keys.count)
        await cleaner.shutdown()
        await fixture.close()
    }
}
