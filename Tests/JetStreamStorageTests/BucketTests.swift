import Encodings
import Foundation
import JetStreamStorage
import Logging
import NATS
import Storage
import TestSupport
import Testing

/// What concerns a bucket as a whole: cleaning, verifying, links, sealing.
@Suite struct BucketTests {
    @Test(arguments: ServerFlavor.allCases)
    func cleaningRemovesWhatNobodyRefersTo(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.chunkSize = 1000 }
        let store = fixture.store
        try await store.put("kept", ObjectBody(bytes(2500)))
        try await store.put("gone", ObjectBody(bytes(2500)))
        try await store.delete("gone")
        await store.finishPurging()
        let stream = JetStream(fixture.control)
        for _ in 0..<3 { _ = try await stream.publish("$O.B.C.LEFTBEHIND", payload: [1]) }
        #expect(try await store.removeOrphans(olderThan: .seconds(3600)) == CleaningReport(young: 1))
        let found = CleaningReport(orphans: 1, chunks: 3)
        #expect(try await store.removeOrphans(olderThan: .zero, dryRun: true) == found)
        #expect(try await fixture.chunkCount() == 6)
        #expect(try await store.removeOrphans(olderThan: .zero).removed == 1)
        #expect(try await fixture.chunkCount() == 3)
        #expect(try await store.bytes("kept") == bytes(2500))
        #expect(try await store.removeOrphans(olderThan: .zero) == CleaningReport())
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func verifyingFindsDamage(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.chunkSize = 1000 }
        let store = fixture.store
        for key: ObjectKey in ["a", "b", "c", "d"] {
            try await store.put(key, ObjectBody(bytes(key == "d" ? 10 : 3500)))
        }
        let stream = JetStream(fixture.control)
        // The second chunk of b, and the only one of d.
        for (sequence, key) in [(UInt64(7), "b"), (16, "d")] {
            let message = try #require(try await stream.message("OBJ_B", .sequence(sequence), direct: false))
            #expect(message.subject.hasPrefix("$O.B.C."), "\(key)")
            try await stream.deleteMessage("OBJ_B", sequence: sequence)
        }
        var (checked, damaged) = ([ObjectKey](), [ObjectKey]())
        try await store.verify {
            checked.append($0.key)
        } found: {
            damaged.append($0.key)
        }
        #expect(checked == ["a", "b", "c", "d"] && damaged == ["b", "d"])
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func linksAreFollowed(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let store = fixture.store
        let other = try await JetStreamStore.open(
            BucketConfiguration(name: "OTHER"), control: fixture.control, bulk: fixture.bulk,
            logger: Logger(label: "test"))
        try await other.put("far", ObjectBody("far away"))
        try await store.put("near", ObjectBody("near by"))
        _ = try await store.link("a", to: "near")
        _ = try await store.link("b", to: "a")
        _ = try await store.link("c", to: "far", in: "OTHER")
        #expect(try await store.bytes("b") == Array("near by".utf8))
        #expect(try await store.bytes("c") == Array("far away".utf8))
        _ = try await store.link("c", toBucket: "OTHER")
        await expect(.unsupported) { _ = try await store.get("c") }
        _ = try await store.link("loop", to: "loop")
        await expect(.invalid) { _ = try await store.get("loop") }
        _ = try await store.link("nowhere", to: "missing")
        await expect(.notFound) { _ = try await store.get("nowhere") }
        await expect(.preconditionFailed) { _ = try await store.link("near", to: "a") }
        try await store.put("a", ObjectBody("an object now"))
        #expect(try await store.bytes("b") == Array("an object now".utf8))
        await other.shutdown()
        await fixture.close()
    }

    /// What the bucket's owner changes while it is open.
    @Test(arguments: ServerFlavor.allCases)
    func settingsMayChange(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) {
            $0.chunkSize = 1000
            // Who is asked in between is not answered.
            $0.timeout = .seconds(5)
        }
        let store = fixture.store
        try await store.put("k", ObjectBody(bytes(5500)))
        _ = try await JetStream(fixture.control).updateStream("OBJ_B") { $0["allow_direct"] = .bool(false) }
        try await eventually("nothing is read any more") {
            (try? await store.bytes("k")) == bytes(5500)
        }
        #expect(try await store.list(ListQuery()).keys == ["k"])
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func sealedBucketsOnlyRead(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.description = "kept" }
        let store = fixture.store
        try await store.put("k", ObjectBody("x"))
        #expect(try await !store.status().isSealed)
        let stream = JetStream(fixture.control)
        _ = try await stream.updateStream("OBJ_B") { $0["max_msgs"] = .integer(1000) }
        try await store.seal()
        // What no part of this program knows of stays as it is.
        let info = JSONValue.parse(try await fixture.control.request("$JS.API.STREAM.INFO.OBJ_B").payload)
        #expect(info?.value(at: "config.max_msgs")?.text == "1000")
        let status = try await store.status()
        #expect(status.isSealed && status.description == "kept" && status.size > 0 && status.replicas == 1)
        await expect(.unsupported) { _ = try await store.put("k", ObjectBody("y")) }
        await expect(.unsupported) { _ = try await store.delete("k") }
        #expect(try await store.bytes("k") == Array("x".utf8))
        #expect(try await JetStreamStore.buckets(fixture.control) == ["B"])
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func aMirrorIsRead(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.chunkSize = 1000 }
        try await fixture.store.put("a", ObjectBody(bytes(5500)))
        try await fixture.store.put("b", ObjectBody("small"))
        var stream = StreamConfiguration(name: "OBJ_COPY")
        stream.mirror = .init(name: "OBJ_B")
        // Servers of 2.9 mirror no meta messages otherwise.
        stream.allowRollup = true
        stream.allowDirect = true
        _ = try await JetStream(fixture.control).createStream(stream)
        let mirror = try await JetStreamStore.open(
            BucketConfiguration(name: "COPY"), control: fixture.control, bulk: fixture.bulk,
            logger: Logger(label: "test"))
        try await eventually("not mirrored") { try await mirror.list(ListQuery()).keys == ["a", "b"] }
        #expect(try await mirror.bytes("a") == bytes(5500))
        #expect(try await mirror.bytes("b") == Array("small".utf8))
        #expect(try await mirror.info("b").version == fixture.store.info("b").version)
        await expect(.unsupported) { _ = try await mirror.put("a", ObjectBody("x")) }
        await expect(.unsupported) { _ = try await mirror.delete("a") }
        await expect(.unsupported) {
            _ = try await mirror.setMetadata("a", ObjectAttributes(), options: SetMetadataOptions())
        }
        await expect(.unsupported) { _ = try await mirror.link("l", to: "a") }
        await expect(.unsupported) { _ = try await mirror.removeOrphans(olderThan: .zero) }
        #expect(try await mirror.maintain().expired.isEmpty && mirror.capabilities == [])
        #expect(try await fixture.store.list(ListQuery()).keys == ["a", "b"])
        await mirror.shutdown()
        await fixture.close()
    }

    private func expect(
        _ kind: StorageError.Kind, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
    ) async {
        do {
            try await body()
            Issue.record("nothing was thrown, \(kind) was expected", sourceLocation: sourceLocation)
        } catch {
            #expect((error as? StorageError)?.kind == kind, "\(error)", sourceLocation: sourceLocation)
        }
    }
}
