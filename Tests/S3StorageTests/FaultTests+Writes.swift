import Foundation
import S3Storage
import Storage
import TestSupport
import Testing

/// What becomes of writes whose answers are lost, and of writes that meet others.
extension FaultTests {
    /// Once, the library sends the request again by itself, on another connection; twice, this client does as well.
    @Test(arguments: [1, 2])
    func aSwapThatMayHaveHappenedIsToldSo(_ losses: Int) async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        let first = try await store.put("key", ObjectBody("1"))
        let swap = PutOptions(precondition: .matches(first.version))
        try await server.fail(["kind": "overtaken", "method": "PUT", "times": losses])
        let error = await #expect(throws: StorageError.self) {
            try await store.put("key", ObjectBody("2"), options: swap)
        }
        #expect(error?.kind == .unavailable && error?.errorClass == .conflict, "\(error?.message ?? "")")
        let current = try await store.info("key").version
        #expect(error?.currentVersion == current)
        let second = await #expect(throws: StorageError.self) {
            try await store.put("key", ObjectBody("3"), options: swap)
        }
        #expect(second?.kind == .preconditionFailed && second?.currentVersion == current)
    }

    @Test func aDeleteThatMayHaveHappenedIsToldSo() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        let first = try await store.put("key", ObjectBody("1"))
        let delete = DeleteOptions(precondition: .matches(first.version))
        try await server.fail(["kind": "lost", "method": "DELETE"])
        let error = await #expect(throws: StorageError.self) { try await store.delete("key", options: delete) }
        #expect(error?.kind == .unavailable && error?.errorClass == .conflict && error?.currentVersion == nil)
        let second = try await store.put("key", ObjectBody("2"))
        let late = await #expect(throws: StorageError.self) { try await store.delete("key", options: delete) }
        #expect(late?.kind == .preconditionFailed && late?.currentVersion == second.version)
    }

    @Test func attributesThatCantBeWrittenAreTold() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        try await store.put("key", ObjectBody("1"))
        try await server.fail(
            ["kind": "status", "status": 403, "code": "QuotaExceeded", "method": "PUT", "times": 1000])
        let error = await #expect(throws: StorageError.self) {
            try await store.setMetadata("key", ObjectAttributes(), options: SetMetadataOptions())
        }
        #expect(error?.kind == .unavailable && error?.errorClass == .fatal)
        #expect(try await server.state().requests.count { $0 == "PUT /bucket/key" } == 2)
    }

    /// Another object is put between the look at the old one and its copy onto itself.
    @Test func attributesDoNotBringBackWhatWasReplaced() async throws {
        let server = try await FaultServer()
        let store = try await server.open { $0.conditionalWrites = .detect }
        let attributes = ObjectAttributes(metadata: ["m": ["1"]])
        let first = try await store.put("large", ObjectBody(bytes(6 << 20)))
        let second = try await store.setMetadata("large", attributes, options: SetMetadataOptions())
        #expect(try await server.state().written["x-amz-copy-source"] != nil)
        #expect(second.version != first.version)
        let race: [String: any Sendable] = ["kind": "raced", "match": "large", "method": "PUT"]
        try await server.fail(race)
        let options = SetMetadataOptions(precondition: .matches(second.version))
        let error = await #expect(throws: StorageError.self) {
            try await store.setMetadata("large", attributes, options: options)
        }
        let current = try await store.info("large").version
        #expect(error?.kind == .preconditionFailed && error?.currentVersion == current)
        #expect(try await store.bytes("large") == Array("theirs".utf8))
        try await store.put("large", ObjectBody(bytes(6 << 20)))
        try await server.fail(race)
        #expect(try await store.setMetadata("large", attributes, options: SetMetadataOptions()).size == 6)
        #expect(try await store.info("large").attributes == attributes)
    }

    /// A server that does not look at what a copy replaces gets the object once more.
    @Test func withoutConditionsOnCopiesNothingIsCopied() async throws {
        let server = try await FaultServer()
        try await server.differ(by: "copies")
        let store = try await server.open { $0.conditionalWrites = .detect }
        let attributes = ObjectAttributes(metadata: ["m": ["1"]])
        let content = bytes(6 << 20)
        try await store.put("large", ObjectBody(content))
        try await server.fail(["kind": "lost", "match": "large", "method": "PUT"])
        let info = try await store.setMetadata("large", attributes, options: SetMetadataOptions())
        #expect(try await server.state().written["x-amz-copy-source"] == nil)
        let object = try await store.get("large")
        #expect(object.info.version == info.version && object.info.attributes == attributes)
        #expect(try await object.body.collect(upTo: 7 << 20) == content)
    }
}
