import Storage
import StorageLayers
import TestSupport
import Testing

@Suite struct PrefixedStoreTests {
    private let base = MemoryStore()

    @Test func twoStoresInOneDoNotMeet() async throws {
        let (a, b) = (try PrefixedStore(base, prefix: "a/x"), try PrefixedStore(base, prefix: "a/xy/"))
        let options = PutOptions(messageID: "1")
        try await a.put("k", ObjectBody("in a"))
        _ = try await a.put("id", ObjectBody("in a"), options: options)
        _ = try await b.put("id", ObjectBody("in b"), options: options)
        #expect(try await base.list(ListQuery()).keys == ["a/x/id", "a/x/k", "a/xy/id"])
        #expect(try await a.list(ListQuery()).keys == ["id", "k"])
        #expect(try await b.list(ListQuery()).keys == ["id"])
        #expect(try await b.bytes("id") == Array("in b".utf8))
        #expect(try await a.info("k").key == "k")
        await #expect(throws: StorageError.self) { try await b.info("k") }
    }

    @Test func errorsSpeakOfTheKeyAsItWasGiven() async throws {
        let store = try PrefixedStore(base, prefix: "secret-team")
        let error = await #expect(throws: StorageError.self) { try await store.info("k") }
        #expect(error?.kind == .notFound && error?.key == "k" && error?.message == "no object “k”")
    }

    @Test func longKeysAreRefused() async throws {
        let store = try PrefixedStore(base, prefix: String(repeating: "p", count: 23))
        let fits = try ObjectKey(validating: String(repeating: "k", count: 1000))
        try await store.put(fits, ObjectBody("x"))
        #expect(try await store.list(ListQuery()).keys == [fits])
        let long = try ObjectKey(validating: String(repeating: "k", count: 1001))
        let error = await #expect(throws: StorageError.self) { try await store.put(long, ObjectBody("x")) }
        #expect(error?.kind == .invalid && error?.message.contains("more than 1000 bytes") == true)
        let pattern = try KeyPattern(validating: String(repeating: "k", count: 1001))
        #expect(try await store.list(ListQuery(pattern: pattern)) == ListPage())
    }

    @Test(arguments: ["", "/", "/a", "a//b", "a/../b", "a/*/b", "*", String(repeating: "x", count: 1023)])
    func prefixesAreChecked(_ prefix: String) {
        let error = #expect(throws: StorageError.self) { try PrefixedStore(base, prefix: prefix) }
        #expect(error?.kind == .invalid)
    }
}
