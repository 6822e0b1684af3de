import Storage

extension ConformanceSuite {
    static let pages: [ConformanceCase] = [
        ConformanceCase("pages/together-hold-every-key-once", together),
        ConformanceCase("pages/with-details-hold-every-info", withDetails),
        ConformanceCase("pages/start-after-any-text", startAfter),
        ConformanceCase("pages/go-on-after-changes", goOn),
    ]

    private static func together(_ scope: ConformanceScope) async throws {
        let names = (0..<210).map { "\($0 % 3)/" + String(sortable: $0) }
        try await scope.putAll(names)
        for limit in [7, 70, 100, 210, 1000] {
            let found = try await scope.names(ListQuery(prefix: scope.prefix, limit: limit))
            try expect(found == names.sorted(), "pages of \(limit) hold \(found.count) of \(names.count) keys")
        }
        var streamed: [String] = []
        for try await key in scope.store.keys(ListQuery(prefix: scope.prefix, limit: 50)) {
            streamed.append(scope.name(of: key))
        }
        try expect(streamed == names.sorted(), "as a sequence: \(streamed.count) of \(names.count) keys")
    }

    private static func withDetails(_ scope: ConformanceScope) async throws {
        let names = (0..<30).map { String(sortable: $0) }
        try await scope.putAll(names)
        var found: [String] = []
        for try await page in scope.store.pages(ListQuery(prefix: scope.prefix, limit: 7, details: true)) {
            try expect(page.objects?.map(\.key), is: page.keys, "the keys of a page's infos")
            found += (page.objects ?? []).map { scope.name(of: $0.key) }
        }
        try expect(found, is: names, "the keys of all infos")
    }

    private static func startAfter(_ scope: ConformanceScope) async throws {
        try await scope.putAll(["b", "c", "c/1", "d", "ü"])
        let expected: [(String, [String])] = [
            ("", ["b", "c", "c/1", "d", "ü"]), ("a", ["b", "c", "c/1", "d", "ü"]), ("b", ["c", "c/1", "d", "ü"]),
            ("bb", ["c", "c/1", "d", "ü"]), ("c", ["c/1", "d", "ü"]), ("c/", ["c/1", "d", "ü"]), ("c/1", ["d", "ü"]),
            ("ü", []), ("zzz", ["ü"]), ("日", []),
        ]
        for (start, names) in expected {
            let query = ListQuery(prefix: scope.prefix, startAfter: scope.prefix + start)
            try expect(try await scope.names(query), is: names, "the keys after “\(start)”")
        }
        let before = ListQuery(prefix: scope.prefix, startAfter: "!")
        try expect(try await scope.names(before), is: expected[0].1, "the keys after what precedes the prefix")
        let past = ListQuery(prefix: scope.prefix, startAfter: "d")
        try expect(try await scope.names(past), is: [], "the keys after what follows the prefix")
    }

    private static func goOn(_ scope: ConformanceScope) async throws {
        try await scope.putAll(["a", "b", "c", "d", "e"])
        let first = try await scope.store.list(ListQuery(prefix: scope.prefix, limit: 2))
        try expect(first.keys.map(scope.name), is: ["a", "b"], "the first page")
        guard let next = first.next else { throw ConformanceFailure("the first of several pages has no next") }
        // The key that the page ended with is gone; one before it and one after it are new.
        try await scope.store.delete(try scope.key("b"))
        try await scope.putAll(["aa", "ca"])
        let query = ListQuery(prefix: scope.prefix, startAfter: next)
        try expect(try await scope.names(query), is: ["c", "ca", "d", "e"], "the rest")
    }
}

extension ConformanceScope {
    /// The names of all keys and prefixes that the query admits, page after page; each page is checked.
    func names(_ query: ListQuery) async throws -> [String] {
        var query = query
        var names: [String] = []
        while true {
            let page = try await store.list(query)
            let found = (page.keys.map(\.rawValue) + page.prefixes).sortedByUTF8
            try expect(found.count <= query.limit, "\(found.count) entries for limit \(query.limit)")
            try expect(
                page.keys.map(\.rawValue) == page.keys.map(\.rawValue).sortedByUTF8
                    && page.prefixes == page.prefixes.sortedByUTF8, "a page is not in order: \(found)")
            names += found.map { String(decoding: $0.utf8.dropFirst(prefix.utf8.count), as: UTF8.self) }
            guard let next = page.next else { return names }
            try expect(
                (query.startAfter ?? "").utf8Precedes(next), "the next page starts after “\(next)”, as this one did")
            query.startAfter = next
        }
    }
}
