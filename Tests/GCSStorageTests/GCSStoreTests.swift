import Foundation
import GCSStorage
import HTTP
import Storage
import Synchronization
import TestSupport
import Testing

@Suite struct GCSStoreTests {
    @Test func uploadsGoOnWhereTheyBroke() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        let content = bytes(5_000_001)
        try await server.fail(
            ["kind": "half", "method": "PUT"], ["kind": "reset", "method": "PUT"],
            ["kind": "status", "status": 503, "method": "PUT"], ["kind": "status", "status": 429])
        try await store.put("key", ObjectBody(content))
        #expect(try await store.bytes("key") == content)
        // Each part's answer is lost, the last one's too: its session is gone by then.
        try await server.fail(["kind": "lost", "method": "PUT", "times": 2])
        try await store.put("key", ObjectBody(bytes(2_000_000)))
        #expect(try await store.bytes("key") == bytes(2_000_000))
        #expect(try await server.state().sessions == 0)
    }

    @Test func whatFailsLeavesNothing() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        let content = bytes(5_000_001)
        try await server.fail(["kind": "status", "status": 400, "method": "PUT"])
        await #expect(throws: StorageError.self) { try await store.put("key", ObjectBody(content)) }
        let wrong = PutOptions(expectedDigest: Digest(of: [1]))
        await #expect(throws: StorageError.self) { try await store.put("key", ObjectBody(content), options: wrong) }
        // The service forgets the upload.
        try await server.fail(["kind": "status", "status": 410, "method": "PUT"])
        await #expect { try await store.put("key", ObjectBody(content)) } throws: {
            ($0 as? StorageError)?.kind == .unavailable
        }
        let count = Mutex(0)
        let endless = ObjectBody(size: nil) { () async throws(StorageError) in
            if count.withLock({ count in
                count += 1; return count
            }) > 3 {
                while (try? await Task.sleep(for: .seconds(60))) != nil {}
                throw .cancelled
            }
            return [UInt8](repeating: 0, count: 1 << 20)
        }
        let put = Task { try await store.put("key", endless) }
        try await eventually("no session is opened") { try await server.state().sessions > 0 }
        put.cancel()
        await #expect { try await put.value } throws: { ($0 as? StorageError)?.kind == .cancelled }
        let state = try await server.state()
        #expect(state.sessions == 0 && state.objects == 0)
    }

    @Test func ownWritesAreRecognized() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        try await server.fail(["kind": "lost", "method": "POST"])
        let created = try await store.put("key", ObjectBody("1"), options: PutOptions(precondition: .absent))
        #expect(try await store.info("key").version == created.version)
        try await server.fail(["kind": "lost", "method": "POST"])
        let swap = PutOptions(precondition: .matches(created.version))
        let swapped = try await store.put("key", ObjectBody("2"), options: swap)
        #expect(try await store.info("key").version == swapped.version)
        let large = PutOptions(precondition: .matches(swapped.version))
        try await server.fail(["kind": "lost", "method": "PUT", "times": 2])
        let parts = try await store.put("key", ObjectBody(bytes(2_000_000)), options: large)
        #expect(try await store.info("key").version == parts.version)
        await #expect { try await store.put("key", ObjectBody("3"), options: large) } throws: {
            ($0 as? StorageError)?.currentVersion == parts.version
        }
    }

    /// The answer is lost, and somebody else is faster than the request's second sending.
    @Test(arguments: [1, 2])
    func writesThatMayHaveHappenedAreToldSo(_ losses: Int) async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        var first = try await store.put("key", ObjectBody("1"))
        let swap = PutOptions(precondition: .matches(first.version))
        try await server.fail(["kind": "overtaken", "method": "POST", "times": losses])
        let error = await #expect(throws: StorageError.self) {
            try await store.put("key", ObjectBody("2"), options: swap)
        }
        let current = try await store.info("key").version
        #expect(error?.kind == .unavailable && error?.errorClass == .conflict && error?.currentVersion == current)
        await #expect { try await store.put("key", ObjectBody("3"), options: swap) } throws: {
            ($0 as? StorageError)?.kind == .preconditionFailed
        }
        first = try await store.put("key", ObjectBody("1"))
        try await server.fail(["kind": "lost", "method": "DELETE", "times": losses])
        let delete = await #expect(throws: StorageError.self) {
            try await store.delete("key", options: DeleteOptions(precondition: .matches(first.version)))
        }
        #expect(delete?.kind == .unavailable && delete?.errorClass == .conflict && delete?.currentVersion == nil)
    }

    @Test(arguments: [1, 2])
    func changesOfMetadataThatMayHaveHappenedAreToldSo(_ losses: Int) async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        let attributes = ObjectAttributes(metadata: ["m": ["1"]])
        let first = try await store.put("key", ObjectBody("1"))
        try await server.fail(["kind": "lost", "method": "PATCH", "times": losses])
        let options = SetMetadataOptions(precondition: .matches(first.version))
        let own = try await store.setMetadata("key", attributes, options: options)
        #expect(try await store.info("key").version == own.version && own.attributes == attributes)
        try await server.fail(["kind": "overtaken", "method": "PATCH", "times": losses])
        let error = await #expect(throws: StorageError.self) {
            let options = SetMetadataOptions(precondition: .matches(own.version))
            _ = try await store.setMetadata("key", attributes, options: options)
        }
        #expect(error?.kind == .unavailable && error?.errorClass == .conflict)
        // Unconditionally, the other one's object gets them.
        try await server.fail(["kind": "overtaken", "method": "PATCH", "times": losses])
        #expect(try await store.setMetadata("key", attributes, options: SetMetadataOptions()).size == 6)
    }

    @Test func numbersThatMakeNoSenseAreNotTaken() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        for range in ["bytes=0-9223372036854775807", "bytes=0-9223372036854775806", "bytes=0-0", "bytes=0--9", "x"] {
            try await server.fail(
                ["kind": "none", "method": "PUT"],
                ["kind": "status", "status": 308, "method": "PUT", "headers": ["Range": range]])
            await #expect { try await store.put("key", ObjectBody(bytes(3_000_000))) } throws: {
                ($0 as? StorageError)?.kind == .internal
            }
        }
        #expect(try await server.state().sessions == 0)
    }

    @Test(arguments: [
        ("size", "-1"), ("size", "9223372036854775808"), ("size", "x"), ("generation", "-1"), ("metageneration", "0"),
    ])
    func anInfoThatMakesNoSenseIsNotTaken(_ name: String, _ value: String) async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        try await store.put("key", ObjectBody("x"))
        try await server.fail(["kind": "none", "method": "GET", "fields": [name: value], "times": 2])
        for read in [{ try await store.bytes("key") as Any }, { try await store.info("key") as Any }] {
            await #expect { try await read() } throws: { ($0 as? StorageError)?.kind == .internal }
        }
        #expect(try await store.bytes("key") == Array("x".utf8))
    }

    /// A write happens, and somebody in between answers for the service.
    @Test func writesAnsweredByNonsenseAreRecognized() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        try await server.fail(["kind": "page", "method": "POST"])
        let small = try await store.put("key", ObjectBody("x"), options: PutOptions(precondition: .absent))
        #expect(try await store.info("key").version == small.version)
        try await server.fail(["kind": "none", "method": "PUT"], ["kind": "page", "method": "PUT"])
        let swap = PutOptions(precondition: .matches(small.version))
        let large = try await store.put("key", ObjectBody(bytes(2_000_000)), options: swap)
        #expect(try await store.info("key").version == large.version)
        try await server.fail(["kind": "page", "method": "PATCH"])
        let attributes = ObjectAttributes(metadata: ["m": ["1"]])
        let options = SetMetadataOptions(precondition: .matches(large.version))
        let changed = try await store.setMetadata("key", attributes, options: options)
        #expect(try await store.info("key").version == changed.version && changed.attributes == attributes)
    }

    @Test func writesThatDidNotHappenAreNotRecognized() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        let first = try await store.put("key", ObjectBody("1"))
        try await server.fail(["kind": "wrong", "method": "POST"], ["kind": "wrong", "method": "PATCH"])
        await #expect { try await store.put("key", ObjectBody("2")) } throws: {
            ($0 as? StorageError)?.kind == .internal
        }
        await #expect {
            try await store.setMetadata("key", ObjectAttributes(contentType: "a/b"), options: SetMetadataOptions())
        } throws: {
            ($0 as? StorageError)?.kind == .internal
        }
        #expect(try await store.info("key") == first)
    }

    @Test func aPrefixThatIsCutWronglyIsNotTold() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        for key in ["a b", "a::b", "a::c"] as [ObjectKey] { try await store.put(key, ObjectBody("x")) }
        try await server.fail(["kind": "first-character", "method": "GET"])
        let page = try await store.list(ListQuery(delimiter: "::"))
        #expect(page.keys == ["a b"] && page.prefixes == ["a::"])
    }

    @Test(arguments: [10, 2_500_000])
    func ofRacingWritersOneWins(_ size: Int) async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        var precondition = Precondition.absent
        for _ in 0..<3 {
            let options = PutOptions(precondition: precondition)
            let outcomes = await withTaskGroup(of: Result<ObjectInfo, any Error>.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        do {
                            return .success(
                                try await store.put("k", ObjectBody(bytes(size + number)), options: options))
                        } catch {
                            return .failure(error)
                        }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            let winners = outcomes.compactMap { try? $0.get() }
            #expect(winners.count == 1)
            for case .failure(let error) in outcomes {
                #expect((error as? StorageError)?.kind == .preconditionFailed, "\(error)")
            }
            let winner = try #require(winners.first)
            #expect(try await store.bytes("k") == bytes(winner.size))
            precondition = .matches(winner.version)
        }
        #expect(try await server.state().sessions == 0)
    }

    @Test func brokenBodiesGoOn() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        let content = bytes(3_000_000)
        try await store.put("key", ObjectBody(content))
        let cut: [String: any Sendable] = ["kind": "truncate", "after": 500_000, "match": "alt=media", "times": 3]
        try await server.fail(cut)
        #expect(try await store.bytes("key") == content)
        try await server.fail(cut.merging(["times": 1]) { $1 })
        let object = try await store.get("key")
        try await store.put("key", ObjectBody("another"))
        await #expect { try await object.body.collect(upTo: 1 << 24) } throws: {
            ($0 as? StorageError)?.kind == .unavailable
        }
    }

    @Test func anotherRangeIsNotGiven() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        try await store.put("key", ObjectBody(bytes(1000)))
        try await server.fail(["kind": "no-range", "match": "alt=media", "times": 2])
        #expect(try await store.bytes("key") == bytes(1000))
        let part = GetOptions(range: .bounded(first: 10, last: 19))
        await #expect { try await store.get("key", options: part) } throws: {
            ($0 as? StorageError)?.kind == .internal
        }
        #expect(try await store.get("key", options: part).body.collect(upTo: 10) == Array(bytes(1000)[10..<20]))
    }

    @Test func stormsPassOrAreTold() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        let slow: [String: any Sendable] = ["kind": "status", "status": 429, "reason": "rateLimitExceeded"]
        let storms: [[String: any Sendable]] = [
            slow, ["kind": "status", "status": 503], ["kind": "status", "status": 500],
            ["kind": "status", "status": 403, "reason": "userRateLimitExceeded"], ["kind": "reset"],
        ]
        for storm in storms {
            for size in [1000, 3_000_000] {
                try await server.fail(storm.merging(["times": 2]) { $1 })
                try await store.put("key", ObjectBody(bytes(size)))
                try await server.fail(storm)
                #expect(try await store.bytes("key") == bytes(size), "\(storm)")
            }
            try await server.fail(storm.merging(["times": 2]) { $1 })
            #expect(try await store.list(ListQuery()).keys == ["key"])
        }
        let impatient = try await server.open {
            $0.maxAttempts = 2
            $0.http.stallTimeout = .seconds(2)
        }
        let endless: [([String: any Sendable], StorageError.Kind, StorageError.Class)] = [
            (slow.merging(["headers": ["Retry-After": "1"]]) { $1 }, .throttled, .transient),
            (["kind": "status", "status": 500], .unavailable, .transient),
            (["kind": "reset"], .unavailable, .transient), (["kind": "hang"], .timeout, .transient),
            (["kind": "status", "status": 403, "reason": "forbidden"], .internal, .fatal),
            (["kind": "status", "status": 401], .internal, .fatal), (["kind": "wrong"], .internal, .fatal),
            (["kind": "status", "status": 413], .tooLarge, .invalid),
        ]
        for (fault, kind, errorClass) in endless {
            try await server.fail(fault.merging(["times": 100]) { $1 })
            let error = await #expect(throws: StorageError.self) { try await impatient.put("key", ObjectBody("x")) }
            #expect(error?.kind == kind && error?.errorClass == errorClass, "\(fault): \(error?.message ?? "")")
            if kind == .throttled { #expect(error?.retryAfter == .seconds(1)) }
        }
        #expect(try await server.state().sessions == 0)
    }

    /// The server's pages hold seven.
    @Test func listsGoOnFromPageToPage() async throws {
        let server = try await GCSServer()
        let store = try await server.open { $0.prefix = "team/" }
        let keys = ["a b", "a+b", "100%", "~", "ü/日本", "!*'():@=+,;&$", "x%2Fy", "\"q\"", "[a]{b}", "?#"]
        for key in keys {
            for number in 0..<3 {
                try await store.put(try ObjectKey(validating: "\(key)\(number)"), ObjectBody("x"))
            }
        }
        let sorted = keys.flatMap { key in (0..<3).map { "\(key)\($0)" } }.sorted {
            $0.utf8.lexicographicallyPrecedes($1.utf8)
        }
        let page = try await store.list(ListQuery(details: true))
        #expect(page.keys.map(\.rawValue) == sorted && page.objects?.map(\.key) == page.keys)
        #expect(page.objects?.allSatisfy { $0.size == 1 } == true)
        var found: [String] = []
        var query = ListQuery(limit: 4)
        repeat {
            let page = try await store.list(query)
            found += page.keys.map(\.rawValue)
            query.startAfter = page.next
        } while query.startAfter != nil
        #expect(found == sorted)
    }

    @Test func aMissingBucketIsTold() async throws {
        let server = try await GCSServer()
        let error = await #expect(throws: StorageError.self) { try await server.open { $0.createInProject = nil } }
        #expect(error?.kind == .unavailable && error?.errorClass == .fatal && error?.operation == .open)
        let nobody = try NATSServer.freePort()
        let unreachable = await #expect(throws: StorageError.self) {
            try await server.open {
                $0.endpoint = "http://127.0.0.1:\(nobody)"
                $0.maxAttempts = 2
            }
        }
        #expect(unreachable?.kind == .unavailable && unreachable?.errorClass == .transient)
    }
}
