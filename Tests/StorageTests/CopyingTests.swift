import FoundationEssentials
import Storage
import TestSupport
import Testing

/// Copies and moves within a store.
@Suite struct CopyingTests {
    @Test func aCopyIsTheSame() async throws {
        let store = MemoryStore()
        let attributes = ObjectAttributes(contentType: "text/plain", metadata: ["a": ["b"]])
        let options = PutOptions(attributes: attributes, timeToLive: .seconds(100))
        let original = try await store.put("a", ObjectBody(bytes(1000)), options: options)
        let copy = try await store.copy("a", to: "b")
        #expect(copy.digest == original.digest && copy.attributes == attributes)
        let left = try #require(copy.expires).timeIntervalSince(try #require(original.expires))
        #expect(abs(left) < 5)
        #expect(try await store.bytes("a") == bytes(1000))
        await #expect(throws: StorageError.self) { try await store.copy("a", to: "b", precondition: .absent) }
        await #expect(throws: StorageError.self) { try await store.copy("missing", to: "c") }
    }

    @Test func aMoveLeavesNothingBehind() async throws {
        let store = MemoryStore()
        try await store.put("a", ObjectBody(bytes(1000)))
        try await store.move("a", to: "b", precondition: .absent)
        #expect(try await store.list(ListQuery()).keys == ["b"])
        #expect(try await store.bytes("b") == bytes(1000))
        await #expect(throws: StorageError.self) { try await store.move("b", to: "b") }
        #expect(try await store.list(ListQuery()).keys == ["b"])
    }

    @Test func whatWasReplacedMeanwhileStays() async throws {
        let store = MemoryStore()
        try await store.put("a", ObjectBody("1"))
        let replacing = Replacing(base: store)
        do throws(StorageError) {
            try await replacing.move("a", to: "b")
            Issue.record("a replaced object was deleted")
        } catch {
            #expect(error.kind == .preconditionFailed && error.key == "a")
        }
        #expect(try await store.bytes("a") == Array("2".utf8))
        #expect(try await store.bytes("b") == Array("1".utf8))
    }
}

/// Replaces an object just before it is deleted.
private struct Replacing: ForwardingStore {
    let base: any Store

    func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await base.put(key, ObjectBody("2"))
        return try await base.delete(key, options: options)
    }
}
