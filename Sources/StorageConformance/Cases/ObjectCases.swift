import FoundationEssentials
import Storage

extension ConformanceSuite {
    static let objects: [ConformanceCase] = [
        ConformanceCase("objects/a-get-returns-what-was-put", returnsWhatWasPut),
        ConformanceCase("objects/the-info-is-the-same-everywhere", infosAgree),
        ConformanceCase("objects/what-is-missing-is-not-found", missing),
        ConformanceCase("objects/an-empty-object-is-an-object", empty),
        ConformanceCase("objects/an-overwrite-replaces", overwrite),
        ConformanceCase("objects/a-delete-tells-whether-there-was-one", delete),
        ConformanceCase("objects/a-version-never-comes-back", versionsAreNew),
        ConformanceCase("objects/a-get-of-a-version-asks-for-the-current-one", getMatches),
        ConformanceCase("objects/an-info-of-a-version-asks-for-the-current-one", infoMatches),
    ]

    private static func returnsWhatWasPut(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let bytes = content(1000)
        let start = Date.now
        let info = try await scope.store.put(key, ObjectBody(bytes))
        try expect(info.key, is: key, "the key")
        try expect(info.size, is: 1000, "the size")
        try expect(info.digest, is: Digest(of: bytes), "the digest")
        try expect(info.expires, is: nil, "the expiry")
        try expect(info.attributes, is: ObjectAttributes(), "the attributes")
        // Its clock may be another's.
        try expect(abs(info.modified.timeIntervalSince(start)) < 86_400, "modified at \(info.modified)")
        let object = try await scope.store.get(key)
        try expect(object.range, is: 0..<1000, "the range of a whole object")
        try expect(bytes: try await object.body.collect(upTo: 2000), are: bytes, "the object")
    }

    private static func infosAgree(_ scope: ConformanceScope) async throws {
        let attributes = ObjectAttributes(contentType: "a/b", metadata: ["Name": ["value"]])
        let put = try await scope.put("object", "text", PutOptions(attributes: attributes))
        let listed = try await scope.store.list(ListQuery(prefix: scope.prefix, details: true)).objects ?? []
        let others = [
            ("info", try await scope.store.info(put.key)), ("get", try await scope.store.get(put.key).info),
        ]
        try expect(listed.count, is: 1, "infos listed")
        for (source, info) in others + listed.map({ ("list", $0) }) {
            var comparable = info
            // By the clock of who answers, to its precision.
            comparable.modified = put.modified
            try expect(comparable, is: put, "what \(source) tells beside what put told")
            try expect(abs(info.modified.timeIntervalSince(put.modified)) < 60, "\(source): modified \(info.modified)")
        }
    }

    private static func missing(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        try await scope.expectNothing(at: key, after: "nothing")
        let range = GetOptions(range: .suffix(1))
        try await expectError(.notFound, in: "a get of a range") { try await scope.store.get(key, options: range) }
        try expect(try await scope.store.delete(key), is: false, "whether a delete found the missing object")
    }

    private static func empty(_ scope: ConformanceScope) async throws {
        let info = try await scope.put("object", "")
        try expect(info.size, is: 0, "the size")
        try expect(info.digest, is: Digest(of: []), "the digest")
        let object = try await scope.store.get(info.key)
        try expect(object.range, is: 0..<0, "the range")
        try expect(bytes: try await object.body.collect(upTo: 1), are: [], "the object")
        try expect(try await scope.store.delete(info.key), is: true, "whether a delete found it")
    }

    private static func overwrite(_ scope: ConformanceScope) async throws {
        let first = try await scope.put("object", "a first text")
        let second = try await scope.put("object", "another")
        try expect(first.version != second.version, "an overwrite kept the version \(first.version)")
        try await scope.expectObject(second, with: Array("another".utf8), after: "an overwrite")
        let third = try await scope.put("object", "another")
        try expect(second.version != third.version, "an overwrite by the same bytes kept the version")
        try expect(try await scope.store.list(ListQuery(prefix: scope.prefix)).keys, is: [first.key], "the keys")
    }

    private static func delete(_ scope: ConformanceScope) async throws {
        let key = try await scope.put("object").key
        try expect(try await scope.store.delete(key), is: true, "whether the first delete found it")
        try await scope.expectNothing(at: key, after: "a delete")
        try expect(try await scope.store.delete(key), is: false, "whether the second delete found it")
    }

    private static func versionsAreNew(_ scope: ConformanceScope) async throws {
        var versions: Set<Version> = []
        for round in 1...3 {
            let info = try await scope.put("object", "the same")
            versions.insert(info.version)
            try expect(versions.count, is: round, "versions of \(round) objects put and deleted")
            try await scope.store.delete(info.key)
        }
    }

    private static func getMatches(_ scope: ConformanceScope) async throws {
        let first = try await scope.put("object", "1")
        let second = try await scope.put("object", "2")
        let object = try await scope.store.get(first.key, options: GetOptions(ifMatch: second.version))
        try expect(bytes: try await object.body.collect(upTo: 9), are: [UInt8(ascii: "2")], "the object")
        for range in [nil, ByteRange.from(0), .from(100)] {
            let options = GetOptions(range: range, ifMatch: first.version)
            let error = try await expectError(.preconditionFailed, in: "a get of a version replaced") {
                try await scope.store.get(first.key, options: options)
            }
            try expect(error.currentVersion, is: second.version, "the current version that the error tells")
        }
        try await scope.store.delete(first.key)
        try await expectError(.notFound, in: "a get of a version deleted") {
            try await scope.store.get(first.key, options: GetOptions(ifMatch: second.version))
        }
    }

    private static func infoMatches(_ scope: ConformanceScope) async throws {
        let first = try await scope.put("object", "1")
        let second = try await scope.put("object", "2")
        let found = try await scope.store.info(first.key, options: InfoOptions(ifMatch: second.version))
        try expect(found.version, is: second.version, "the version")
        let error = try await expectError(.preconditionFailed, in: "an info of a version replaced") {
            try await scope.store.info(first.key, options: InfoOptions(ifMatch: first.version))
        }
        try expect(error.currentVersion, is: second.version, "the current version that the error tells")
        try await scope.store.delete(first.key)
        try await expectError(.notFound, in: "an info of a version deleted") {
            try await scope.store.info(first.key, options: InfoOptions(ifMatch: second.version))
        }
    }
}
