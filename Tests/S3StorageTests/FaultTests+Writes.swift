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

    /// The answer is lost, and the upload begun anew: nobody knows the first one's id.
    @Test func uploadsThatNobodyKnowsGoWithTime() async throws {
        let server = try await FaultServer()
        let patient = try await server.open { $0.cleanEvery = .milliseconds(1) }
        let hasty = try await server.open {
            $0.cleanEvery = .milliseconds(1)
            $0.abortUploadsAfter = .zero
        }
        try await server.fail(["kind": "lost", "method": "POST", "match": "uploads"])
        try await hasty.put("large", ObjectBody(bytes(11 << 20)))
        try await Task.sleep(for: .seconds(1.1))
        for maintain in patient.maintainers { #expect(try await maintain().expired == []) }
        #expect(try await server.state().uploads == 1)
        for maintain in hasty.maintainers { #expect(try await maintain().expired == []) }
        #expect(try await server.state().uploads == 0)
    }

    /// A write happens, and somebody in between answers for the server.
    @Test func writesAnsweredByNonsenseAreRecognized() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        var precondition = Precondition.absent
        for fault in [["kind": "page"], ["kind": "page", "size": 2 << 20], ["kind": "no-etag"]]
            as [[String: any Sendable]]
        {
            try await server.fail(fault.merging(["method": "PUT"]) { $1 })
            let put = try await store.put("key", ObjectBody("x"), options: PutOptions(precondition: precondition))
            #expect(try await store.info("key").version == put.version)
            precondition = .matches(put.version)
        }
        try await server.fail(["kind": "page", "method": "POST", "match": "uploadId"])
        let large = try await store.put("large", ObjectBody(bytes(11 << 20)))
        #expect(try await store.info("large").version == large.version)
        #expect(try await server.state().uploads == 0)
    }

    @Test func writesThatDidNotHappenAreNotRecognized() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        let first = try await store.put("key", ObjectBody("1"))
        for (size, method, match) in [(1, "PUT", "key"), (11 << 20, "POST", "uploads"), (11 << 20, "POST", "uploadId")]
        {
            try await server.fail(["kind": "page", "happens": false, "method": method, "match": match])
            let error = await #expect(throws: StorageError.self) { try await store.put("key", ObjectBody(bytes(size))) }
            #expect(error?.kind == .internal && error?.errorClass == .fatal, "\(match)")
        }
        #expect(try await store.info("key").version == first.version)
        #expect(try await server.state().uploads == 0)
    }

    /// The delete meets itself, and finds nothing.
    @Test func aDeleteWhoseAnswerIsLostTellsThatSomethingWasThere() async throws {
        let server = try await FaultServer()
        for conditions in [S3Configuration.ConditionalWrites.supported, .unsupported] {
            let store = try await server.open { $0.conditionalWrites = conditions }
            try await store.put("key", ObjectBody("1"))
            try await server.fail(["kind": "lost", "method": "DELETE"])
            #expect(try await store.delete("key"))
            #expect(!(try await store.delete("key")))
        }
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
