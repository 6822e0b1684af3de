import Foundation
import S3Storage
import Storage
import TestSupport
import Testing

/// What becomes of answers that say too little, and of listings.
extension FaultTests {
    /// The answer to a head has no body to say why.
    @Test func aRefusedHeadIsExplained() async throws {
        let server = try await FaultServer()
        let environment = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url + "/_container", "HOME": "/nowhere"]
        let store = try await server.open(environment: environment)
        try await store.put("key", ObjectBody("x"))
        try await server.fail(["kind": "expired", "times": 3])
        #expect(try await store.info("key").size == 1)
        try await server.fail()
        try await server.setClock(ahead: 7200)
        #expect(try await store.info("key").size == 1)
        try await server.fail(["kind": "status", "status": 403, "code": "AccessDenied", "times": 2])
        let error = await #expect(throws: StorageError.self) { try await store.info("key") }
        #expect(error?.kind == .internal && error?.message.contains("AccessDenied") == true)
        #expect(try await store.info("key").size == 1)
    }

    @Test func aHeadWithoutASizeIsNotTaken() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        try await store.put("key", ObjectBody("x"))
        try await server.fail(["kind": "no-length", "method": "HEAD"])
        let error = await #expect(throws: StorageError.self) { try await store.info("key") }
        #expect(error?.kind == .internal)
        #expect(try await store.info("key").size == 1)
    }

    @Test(arguments: ["no-token", "same-token"], [0, 3])
    func aListingThatCantGoOnIsTold(_ kind: String, _ count: Int) async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        for number in 0..<count { try await store.put(try ObjectKey(validating: "\(number)"), ObjectBody("x")) }
        try await server.fail(["kind": kind, "times": 100])
        let error = await #expect(throws: StorageError.self) { try await store.list(ListQuery()) }
        #expect(error?.kind == .internal && error?.operation == .list)
    }

    @Test func aServerThatListsByFoldersIsFoundOut() async throws {
        let server = try await FaultServer()
        try await server.differ(by: "folders")
        let store = try await server.open()
        let keys = ["a", "a-b", "a.txt", "a/b", "a/c", "b", "b/x", "c"]
        for key in keys { try await store.put(try ObjectKey(validating: key), ObjectBody("x")) }
        for limit in [1, 2, 3, 1000] {
            var found: [String] = []
            var query = ListQuery(limit: limit)
            repeat {
                let page = try await store.list(query)
                found += page.keys.map(\.rawValue)
                query.startAfter = page.next
            } while query.startAfter != nil
            #expect(found == keys, "\(limit)")
        }
        #expect(try await store.list(ListQuery(startAfter: "a")).keys.map(\.rawValue) == Array(keys.dropFirst()))
        // Told otherwise, it is seen by the disorder within one answer.
        let credulous = try await server.open { $0.listOrder = .bytes }
        #expect(try await credulous.list(ListQuery()).keys.map(\.rawValue) == keys)
    }

    @Test func aServerThatListsByBytesIsBelieved() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        for key in ["a", "b", "c"] as [ObjectKey] { try await store.put(key, ObjectBody("x")) }
        #expect(try await store.list(ListQuery(startAfter: "a", limit: 1)).keys == ["b"])
        let state = try await server.state()
        #expect(state.objects == 3 && state.requests.last?.contains("start-after=a") == true)
        // Where nothing may be written nothing can be tried out.
        try await server.fail(["kind": "status", "status": 403, "code": "AccessDenied", "method": "PUT", "times": 100])
        let reader = try await server.open()
        #expect(try await reader.list(ListQuery(startAfter: "a", limit: 1)).keys == ["b"])
        #expect(try await server.state().requests.last?.contains("start-after") == false)
    }

    @Test func aPrefixThatIsCutWronglyIsNotTold() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        for key in ["a b", "a::b", "a::c"] as [ObjectKey] { try await store.put(key, ObjectBody("x")) }
        try await server.fail(["kind": "cut", "method": "GET", "prefixes": ["a:"]])
        let page = try await store.list(ListQuery(delimiter: "::"))
        #expect(page.keys == ["a b"] && page.prefixes == ["a::"])
    }
}
