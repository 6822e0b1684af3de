import JetStreamStorage
import Logging
import NATS
import Storage
import TestSupport
import Testing

/// What a link tells, and where it leads.
@Suite struct LinkTests {
    /// What a get tells, an info tells too, and further reads may be bound to it.
    @Test(arguments: ServerFlavor.allCases, [BucketConfiguration.Index.live, .none])
    func aLinkTellsOfItsTarget(_ flavor: ServerFlavor, _ index: BucketConfiguration.Index) async throws {
        let fixture = try await Fixture(flavor) {
            $0.chunkSize = 1000
            $0.index = index
        }
        let store = fixture.store
        let content = bytes(9500)
        let other = try await JetStreamStore.open(
            BucketConfiguration(name: "OTHER"), control: fixture.control, bulk: fixture.bulk,
            logger: Logger(label: "test"))
        // Sequences that are none of the first bucket's.
        for _ in 0..<20 { try await other.put("far", ObjectBody(content)) }
        try await store.put("near", ObjectBody(content))
        _ = try await store.link("a", to: "near")
        _ = try await store.link("b", to: "a")
        _ = try await store.link("c", to: "far", in: "OTHER")
        for (link, target) in [("a", try await store.info("near")), ("b", try await store.info("near"))]
            + [("c", try await other.info("far"))]
        {
            let key = try ObjectKey(validating: link)
            let got = try await store.get(key).info
            #expect(got == target)
            #expect(try await store.info(key) == target)
            #expect(try await store.info(key, options: InfoOptions(ifMatch: got.version)) == target)
            let options = GetOptions(range: .bounded(first: 5500, last: 5599), ifMatch: got.version)
            let part = try await store.get(key, options: options)
            #expect(try await part.body.collect(upTo: 100) == Array(content[5500..<5600]))
            let stale = GetOptions(ifMatch: Version("1000"))
            let error = await #expect(throws: StorageError.self) { try await store.get(key, options: stale) }
            #expect(error?.kind == .preconditionFailed)
        }
        await other.shutdown()
        await fixture.close()
    }

    /// Links that lead nowhere are told, and are no reason to look at nothing else.
    @Test(arguments: ServerFlavor.allCases)
    func verifyingGoesOnBehindALink(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.chunkSize = 1000 }
        let store = fixture.store
        for key: ObjectKey in ["a", "z"] { try await store.put(key, ObjectBody(bytes(900))) }
        _ = try await store.link("b", to: "a")
        _ = try await store.link("c", to: "missing")
        _ = try await store.link("d", to: "d")
        _ = try await store.link("e", to: "far", in: "MISSING")
        _ = try await store.link("f", toBucket: "B")
        _ = try await store.link("g", toBucket: "MISSING")
        try await JetStream(fixture.control).deleteMessage("OBJ_B", sequence: 3)
        var (checked, damaged) = ([ObjectKey](), [ObjectKey]())
        try await store.verify {
            checked.append($0.key)
        } found: {
            damaged.append($0.key)
        }
        #expect(checked == ["a", "b", "c", "d", "e", "f", "g", "z"])
        #expect(damaged == ["c", "d", "e", "g", "z"])
        await fixture.close()
    }
}
