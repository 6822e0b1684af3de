import Foundation
import NATS
import Storage
import TestSupport
import Testing

@testable import JetStreamStorage

/// What an index takes, and what it does not.
@Suite struct IndexTests {
    private func newest(_ key: ObjectKey, _ fixture: Fixture) async throws -> StoredMessage {
        let subject = fixture.store.bucket.format.meta(of: key)
        return try #require(try await fixture.store.bucket.message(.lastBySubject(subject)))
    }

    /// An object that was found, and whose delete the feed brought before the finder came to tell of it.
    @Test func aLateAnswerBringsNothingBack() async throws {
        let fixture = try await Fixture(.newest) { $0.index = .none }
        let contents = IndexContents(fixture.store.bucket, limit: 10)
        #expect(contents.begin())
        contents.becomeLive(created: "today")
        let asked = contents.applied
        try await fixture.store.put("k", ObjectBody("x"))
        let answer = try await newest("k", fixture)
        let found = try StoredMeta(answer, key: "k")
        contents.apply(answer)
        try await fixture.store.delete("k")
        contents.apply(try await newest("k", fixture))
        #expect(!contents.correct("k", from: nil, to: found, since: asked))
        #expect(contents.entry("k") == nil)
        // What is asked for now, and found, the feed has missed.
        #expect(contents.correct("k", from: nil, to: found, since: contents.applied))
        #expect(contents.entry("k")?.sequence == found.sequence)
        await fixture.close()
    }

    @Test func oneThatIsTooLargeTakesNothingMore() async throws {
        let fixture = try await Fixture(.newest) { $0.index = .none }
        let contents = IndexContents(fixture.store.bucket, limit: 1)
        #expect(contents.begin())
        for key: ObjectKey in ["a", "b", "c"] {
            try await fixture.store.put(key, ObjectBody("x"))
            contents.apply(try await newest(key, fixture))
        }
        #expect(contents.phase == .tooLarge)
        #expect(contents.entry("c") == nil && contents.applied == 0)
        await fixture.close()
    }

    /// More than the index may hold, from the beginning or in the course of time: then the server is asked.
    @Test(arguments: ServerFlavor.allCases)
    func listsAreRightWithoutAnIndex(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.maxIndexedObjects = 10 }
        let store = fixture.store
        var keys: [ObjectKey] = []
        for number in 100..<130 {
            let key = try ObjectKey(validating: "k\(number)")
            try await store.put(key, ObjectBody("x"))
            keys.append(key)
            #expect(try await store.list(ListQuery()).keys == keys)
        }
        let other = try await Fixture(on: fixture.server) { $0.maxIndexedObjects = 10 }
        #expect(try await other.store.list(ListQuery()).keys == keys)
        try await other.store.delete("k100")
        for store in [store, other.store] {
            #expect(try await store.list(ListQuery()).keys == Array(keys.dropFirst()))
            #expect(try await store.bytes("k110") == Array("x".utf8))
        }
        await other.close()
        await fixture.close()
    }
}
