import Foundation
import JetStreamStorage
import NATS
import Storage
import TestSupport
import Testing

/// What expires goes, is told once, and takes its chunks along.
@Suite struct ExpiryTests {
    private static let short = PutOptions(timeToLive: .milliseconds(300))

    /// Looks after stores until so many objects were told to have expired.
    private func expired(_ count: Int, _ stores: [JetStreamStore]) async throws -> [ObjectInfo] {
        var found: [ObjectInfo] = []
        try await eventually("nothing expires") {
            for store in stores { found += try await store.maintain().expired }
            return found.count >= count
        }
        return found
    }

    @Test(arguments: ServerFlavor.allCases)
    func whatExpiredIsToldOnce(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.chunkSize = 1000 }
        let other = try await fixture.another()
        let reader = try await other.watch(WatchQuery()).makeAsyncIterator()
        let first = try await fixture.store.put("first", ObjectBody(bytes(2500)), options: Self.short)
        let second = try await fixture.store.put("second", ObjectBody(bytes(10)), options: Self.short)
        try await fixture.store.put("kept", ObjectBody(bytes(10)))
        #expect(try await expired(2, [fixture.store, other]) == [first, second])
        for store in [fixture.store, other] { #expect(try await store.maintain().expired == []) }
        await #expect(throws: StorageError.self) { try await other.info("first") }
        await other.finishPurging()
        #expect(try await fixture.chunkCount() == 1)
        var told: [StoreChange] = []
        while told.count < 2, let change = try await reader.next() {
            if case .expired = change { told.append(change) }
        }
        #expect(told == [.expired("first"), .expired("second")])
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func whatWasReplacedIsKept(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        for key: ObjectKey in ["a", "b"] {
            _ = try await fixture.store.put(key, ObjectBody("1"), options: Self.short)
        }
        try await fixture.store.put("a", ObjectBody("2"))
        #expect(try await expired(1, [fixture.store]).map(\.key) == ["b"])
        #expect(try await fixture.store.bytes("a") == Array("2".utf8))
        await fixture.close()
    }

    @Test func withoutAnIndexTheServerIsAsked() async throws {
        let fixture = try await Fixture(.newest) { $0.index = .none }
        let info = try await fixture.store.put("a", ObjectBody("1"), options: Self.short)
        try await fixture.store.put("b", ObjectBody("1"))
        #expect(try await expired(1, [fixture.store]) == [info])
        await fixture.close()
    }

    /// A bucket that nobody looks after gets rid of its objects by itself, later.
    @Test(arguments: ServerFlavor.allCases)
    func theServerKnowsToo(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let options = PutOptions(timeToLive: .seconds(60))
        let stored = try await fixture.store.put("a", ObjectBody("1"), options: options)
        let updated = try await fixture.store.setMetadata(
            "a", ObjectAttributes(contentType: "text/plain"), options: SetMetadataOptions())
        let stream = JetStream(fixture.control)
        for subject in ["$O.B.C.>", "$O.B.M.>"] {
            let message = try #require(
                try await stream.message("OBJ_B", .nextBySubject(subject, startSequence: 1), direct: false))
            let seconds = message.headers.first("Nats-TTL").flatMap { Int($0.dropLast()) }
            switch flavor {
            case .debian: #expect(seconds == nil)
            case .newest: #expect((3600...3661).contains(seconds ?? 0))
            }
        }
        #expect(updated.expires == stored.expires)
        await fixture.close()
    }

    /// An update of metadata makes the object's message younger than its chunks, not the object.
    @Test(arguments: ServerFlavor.allCases, [BucketConfiguration.Index.live, .none])
    func anUpdateDoesNotOutliveTheChunks(_ flavor: ServerFlavor, _ index: BucketConfiguration.Index) async throws {
        let fixture = try await Fixture(flavor) {
            $0.ttl = .seconds(12)
            $0.index = index
        }
        let store = fixture.store
        for key: ObjectKey in ["a", "b"] { try await store.put(key, ObjectBody("1")) }
        let stored = ContinuousClock.now
        try await Task.sleep(for: .seconds(3))
        let attributes = ObjectAttributes(contentType: "text/plain")
        for _ in 0..<2 { _ = try await store.setMetadata("a", attributes, options: SetMetadataOptions()) }
        #expect(try await store.list(ListQuery()).keys == ["a", "b"])
        try await Task.sleep(until: stored + .milliseconds(12_300))
        #expect(try await store.list(ListQuery()).keys == [])
        for key: ObjectKey in ["a", "b"] {
            let info = await #expect(throws: StorageError.self) { try await store.info(key) }
            let get = await #expect(throws: StorageError.self) { try await store.get(key) }
            #expect(info?.kind == .notFound && get?.kind == .notFound)
        }
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func whatTheBucketDropsIsForgotten(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.ttl = .milliseconds(500) }
        try await eventually("never listed") {
            try await fixture.store.put("a", ObjectBody("1"))
            return try await fixture.store.list(ListQuery()).keys == ["a"]
        }
        try await eventually("listed for ever") { try await fixture.store.list(ListQuery()).keys.isEmpty }
        #expect(try await fixture.store.maintain().expired == [])
        let again = try await fixture.store.put("a", ObjectBody("2"), options: PutOptions(precondition: .absent))
        #expect(again.size == 1)
        await fixture.close()
    }
}
