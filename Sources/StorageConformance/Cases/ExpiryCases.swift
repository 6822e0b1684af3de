import FoundationEssentials
import Storage

extension ConformanceSuite {
    static let expiry: [ConformanceCase] = [
        ConformanceCase("expiry/an-object-is-there-until-it-expires", needs: .timeToLive, expires),
        ConformanceCase("expiry/an-expired-object-makes-room", needs: [.timeToLive, .createOnly], makesRoom),
        ConformanceCase("expiry/an-overwrite-sets-it-anew", needs: .timeToLive, overwriteSetsAnew),
        ConformanceCase(
            "expiry/a-change-of-metadata-keeps-it", needs: [.timeToLive, .metadataUpdate], metadataKeepsExpiry),
        ConformanceCase("expiry/must-be-in-the-future", needs: .timeToLive, mustBePositive),
    ]

    private static let life = Duration.seconds(1)

    /// Waits until nothing that was put before can be alive; a store may be late by its clock's and timer's grain.
    private static func outlive(_ key: ObjectKey, _ scope: ConformanceScope) async throws {
        try await Task.sleep(for: life)
        for _ in 0..<30 where (try? await scope.store.info(key)) != nil {
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private static func expires(_ scope: ConformanceScope) async throws {
        let long = try await scope.put("long", "x", PutOptions(timeToLive: .seconds(1000)))
        let lifetime = long.expires.map { $0.timeIntervalSince(long.modified) } ?? 0
        try expect(abs(lifetime - 1000) < 60, "an object of 1000 s expires \(lifetime) s after it was stored")
        let start = ContinuousClock.now
        let info = try await scope.put("object", "x", PutOptions(timeToLive: life))
        let found = try? await scope.store.info(info.key)
        try expect(found != nil || ContinuousClock.now - start > life, "it is gone before it expires")
        try await outlive(info.key, scope)
        try await scope.expectNothing(at: info.key, after: "its expiry")
        try expect(try await scope.store.delete(info.key), is: false, "whether a delete found it expired")
        try expect(try await scope.store.list(ListQuery(prefix: scope.prefix)).keys, is: [long.key], "the keys listed")
    }

    private static func makesRoom(_ scope: ConformanceScope) async throws {
        let key = try await scope.put("object", "first", PutOptions(timeToLive: life)).key
        try await outlive(key, scope)
        let second = try await scope.put("object", "second", PutOptions(precondition: .absent))
        try await scope.expectObject(second, with: Array("second".utf8), after: "an expiry and a create")
    }

    private static func overwriteSetsAnew(_ scope: ConformanceScope) async throws {
        try await scope.put("object", "first", PutOptions(timeToLive: life))
        let second = try await scope.put("object", "second")
        try expect(second.expires, is: nil, "the expiry after an overwrite without one")
        try await Task.sleep(for: life + .milliseconds(300))
        try await scope.expectObject(second, with: Array("second".utf8), after: "the life of what it replaced")
    }

    private static func metadataKeepsExpiry(_ scope: ConformanceScope) async throws {
        let before = try await scope.put("object", "x", PutOptions(timeToLive: .seconds(1000)))
        let options = SetMetadataOptions()
        let after = try await scope.store.setMetadata(
            before.key, ObjectAttributes(contentType: "a/b"), options: options)
        try expect(after.expires, is: before.expires, "the expiry that setting metadata tells")
        try expect(try await scope.store.info(before.key).expires, is: before.expires, "the expiry")
    }

    private static func mustBePositive(_ scope: ConformanceScope) async throws {
        for life in [Duration.zero, .seconds(-1)] {
            try await expectError(.invalid, in: "a put with a time to live of \(life)") {
                try await scope.put("object", "x", PutOptions(timeToLive: life))
            }
        }
        try await scope.expectNothing(at: try scope.key(), after: "invalid times to live")
    }
}
