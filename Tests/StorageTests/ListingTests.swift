import Storage
import Testing

@Suite struct ListingTests {
    private func store(_ keys: [String]) async throws -> MemoryStore {
        let store = MemoryStore()
        for key in keys { try await store.put(ObjectKey(validating: key), ObjectBody("x")) }
        return store
    }

    private func all(_ store: MemoryStore, _ query: ListQuery) async throws -> (keys: [String], prefixes: [String]) {
        var query = query
        var keys: [String] = []
        var prefixes: [String] = []
        while true {
            let page = try await store.list(query)
            #expect(page.keys.count + page.prefixes.count <= query.limit)
            keys += page.keys.map(\.rawValue)
            prefixes += page.prefixes
            guard let next = page.next else { return (keys, prefixes) }
            query.startAfter = next
        }
    }

    @Test(arguments: [1, 2, 3, 7, 1000])
    func pagesAreInOrderOfBytes(limit: Int) async throws {
        let names = ["b", "a", "a/b", "a-b", "Z", "ü", "a/b/c", "zz", "\u{1F600}", "\u{FFFD}"]
        let listed = try await all(store(names), ListQuery(limit: limit))
        #expect(listed.keys == names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    }

    @Test(arguments: [1, 2, 3, 1000])
    func delimiterRollsUp(limit: Int) async throws {
        let store = try await store(["a", "a/1", "a/2", "a/2/3", "b/1", "c"])
        let top = try await all(store, ListQuery(delimiter: "/", limit: limit))
        #expect(top.keys == ["a", "c"])
        #expect(top.prefixes == ["a/", "b/"])
        let below = try await all(store, ListQuery(prefix: "a/", delimiter: "/", limit: limit))
        #expect(below.keys == ["a/1", "a/2"])
        #expect(below.prefixes == ["a/2/"])
    }

    @Test func prefixPatternAndStart() async throws {
        let store = try await store(["u/1", "u/2", "u/2/x", "v/1", "uu"])
        #expect(try await all(store, ListQuery(prefix: "u")).keys == ["u/1", "u/2", "u/2/x", "uu"])
        #expect(try await all(store, ListQuery(pattern: KeyPattern("u/*"))).keys == ["u/1", "u/2"])
        #expect(try await all(store, ListQuery(prefix: "u/", startAfter: "u/1")).keys == ["u/2", "u/2/x"])
        #expect(try await all(store, ListQuery(prefix: "nothing")).keys.isEmpty)
    }

    @Test func detailsComeInTheSameOrder() async throws {
        let page = try await store(["b", "a"]).list(ListQuery(details: true))
        #expect(page.objects?.map(\.key) == page.keys)
    }

    @Test(arguments: [0, -1, 10_001]) func limitsOutOfRange(_ limit: Int) async throws {
        let store = MemoryStore()
        await #expect { try await store.list(ListQuery(limit: limit)) } throws: {
            ($0 as? StorageError)?.kind == .invalid
        }
    }

    @Test func thousandsOfKeysStayInOrder() async throws {
        let numbers = (0..<5000).map { String($0) }
        let store = try await store(numbers.shuffled())
        for number in numbers where number.hasSuffix("7") { try await store.delete(ObjectKey(validating: number)) }
        let expected = numbers.filter { !$0.hasSuffix("7") }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(try await all(store, ListQuery(limit: 333)).keys == expected)
        var streamed: [String] = []
        for try await key in store.keys(ListQuery(limit: 77)) { streamed.append(key.rawValue) }
        #expect(streamed == expected)
    }
}
