import Storage

extension ConformanceSuite {
    static let metadata: [ConformanceCase] = [
        ConformanceCase("metadata/is-kept-as-it-was-given", kept),
        ConformanceCase("metadata/is-replaced-whole-by-an-overwrite", replaced),
        ConformanceCase("metadata/of-odd-values-is-kept-or-refused", oddValues),
        ConformanceCase("metadata/of-any-size-is-kept-or-refused", anySize),
        ConformanceCase("metadata/of-a-large-object-is-kept-too", ofLargeObject),
        ConformanceCase("metadata/set-alone-changes-nothing-else", needs: .metadataUpdate, setAlone),
        ConformanceCase("metadata/of-a-missing-object-is-not-found", needs: .metadataUpdate, setOnMissing),
        ConformanceCase(
            "metadata/set-of-a-version-asks-for-the-current-one", needs: [.metadataUpdate, .compareAndSwap], setMatches),
    ]

    private static let attributes = ObjectAttributes(
        contentType: "text/plain; charset=utf-8", contentEncoding: "gzip",
        metadata: [
            "Plain": ["value"], "several": ["1", "2", "2", "1"], "Größe-not-ASCII": ["ü"], "UTF-8": ["日本 😀 e\u{301}"],
            "case": ["lower"], "Case": ["upper"], "colon": ["a: b"], "comma": ["a, b", "c"],
        ])

    private static func kept(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let info = try await scope.store.put(key, ObjectBody("x"), options: PutOptions(attributes: attributes))
        try expect(info.attributes, is: attributes, "what put tells")
        try expect(try await scope.store.info(key).attributes, is: attributes, "what info tells")
        try expect(try await scope.store.get(key).info.attributes, is: attributes, "what get tells")
        let page = try await scope.store.list(ListQuery(prefix: scope.prefix, details: true))
        try expect(page.objects?.map(\.attributes), is: [attributes], "what list tells")
    }

    private static func replaced(_ scope: ConformanceScope) async throws {
        let key = try await scope.put("object", "x", PutOptions(attributes: attributes)).key
        let other = ObjectAttributes(metadata: ["Plain": ["other"]])
        try await scope.put("object", "x", PutOptions(attributes: other))
        try expect(try await scope.store.info(key).attributes, is: other, "after an overwrite with others")
        try await scope.put("object", "x")
        try expect(try await scope.store.info(key).attributes, is: ObjectAttributes(), "after one without")
    }

    private static func oddValues(_ scope: ConformanceScope) async throws {
        let odd: [Metadata] = [
            ["empty": [""]], ["among": ["a", "", "b"]], ["spaces": [" a "]], ["line": ["a\r\nb"]], ["nul": ["a\0b"]],
            ["a name": ["x"]], ["colon:": ["x"]], ["": ["x"]], ["line\nbreak": ["x"]],
        ]
        for metadata in odd { try await keptOrRefused(metadata, scope) }
    }

    private static func anySize(_ scope: ConformanceScope) async throws {
        for count in [1000, 10_000, 100_000, 2_000_000] {
            try await keptOrRefused(["large": [String(repeating: "x", count: count)]], scope)
        }
        let many = (0..<200).map { ("name-\($0)", ["value \($0)"]) }
        try await keptOrRefused(Dictionary(uniqueKeysWithValues: many), scope)
    }

    private static func keptOrRefused(_ metadata: Metadata, _ scope: ConformanceScope) async throws {
        let options = PutOptions(attributes: ObjectAttributes(metadata: metadata))
        let what = "\(metadata)".prefix(60)
        let before = try await scope.put("object", "before")
        do throws(StorageError) {
            _ = try await scope.store.put(before.key, ObjectBody("after"), options: options)
        } catch {
            let refusals: [StorageError.Kind] = [.invalid, .tooLarge, .unsupported]
            try expect(refusals.contains(error.kind), "\(what) threw \(error.kind.rawValue): \(error)")
            return try await scope.expectObject(before, with: Array("before".utf8), after: "a refusal of \(what)")
        }
        let found = try await scope.store.info(before.key).attributes.metadata
        try expect(found == metadata, "\(what) came back as \("\(found)".prefix(60))")
        try expect(try await scope.store.get(before.key).info.attributes.metadata == metadata, "\(what): get lost it")
    }

    private static func ofLargeObject(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let body = ObjectBody.stream(content(3_000_000))
        _ = try await scope.store.put(key, body, options: PutOptions(attributes: attributes))
        try expect(try await scope.store.info(key).attributes, is: attributes, "what info tells")
        try expect(try await scope.store.get(key).info.attributes, is: attributes, "what get tells")
    }

    private static func setAlone(_ scope: ConformanceScope) async throws {
        let before = try await scope.put("object", "text", PutOptions(attributes: attributes))
        let other = ObjectAttributes(contentType: "a/b", metadata: ["new": ["1", "2"]])
        let after = try await scope.store.setMetadata(before.key, other, options: SetMetadataOptions())
        try expect(after.attributes, is: other, "what it tells")
        try expect(after.version != before.version, "the version stayed \(before.version)")
        try expect(after.digest, is: before.digest, "the digest")
        try await scope.expectObject(after, with: Array("text".utf8), after: "a change of metadata")
    }

    private static func setOnMissing(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        try await expectError(.notFound, in: "setting the metadata of nothing") {
            try await scope.store.setMetadata(key, attributes, options: SetMetadataOptions())
        }
        try await scope.expectNothing(at: key, after: "setting the metadata of nothing")
    }

    private static func setMatches(_ scope: ConformanceScope) async throws {
        let first = try await scope.put("object", "1")
        let second = try await scope.put("object", "2")
        let error = try await expectError(.preconditionFailed, in: "a change on the condition of an old version") {
            try await scope.store.setMetadata(
                first.key, attributes, options: SetMetadataOptions(precondition: .matches(first.version)))
        }
        try expect(error.currentVersion, is: second.version, "the current version that the error tells")
        try await scope.expectObject(second, with: [UInt8(ascii: "2")], after: "a change refused")
        let third = try await scope.store.setMetadata(
            first.key, attributes, options: SetMetadataOptions(precondition: .matches(second.version)))
        try await scope.expectObject(third, with: [UInt8(ascii: "2")], after: "a change")
    }
}
