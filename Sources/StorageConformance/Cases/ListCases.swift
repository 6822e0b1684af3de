import Storage

extension ConformanceSuite {
    static let listing: [ConformanceCase] = [
        ConformanceCase("list/nothing-is-an-empty-page", emptyPage),
        ConformanceCase("list/is-in-the-order-of-UTF-8-bytes", order),
        ConformanceCase("list/a-prefix-selects-by-bytes", prefix),
        ConformanceCase("list/keys-that-are-prefixes-of-others", nested),
        ConformanceCase("list/follows-every-change", follows),
        ConformanceCase("list/details-are-the-infos", details),
        ConformanceCase("list/a-pattern-matches-segment-by-segment", pattern),
        ConformanceCase("list/a-delimiter-rolls-up", delimiter),
        ConformanceCase("list/a-delimiter-of-several-characters", longDelimiter),
        ConformanceCase("list/prefixes-are-rolled-up-by-bytes", lookAlikePrefixes),
        ConformanceCase("list/a-wrong-query-is-invalid", wrongQuery),
    ]

    private static func emptyPage(_ scope: ConformanceScope) async throws {
        for query in [
            ListQuery(prefix: scope.prefix), ListQuery(prefix: scope.prefix, delimiter: "/"),
            ListQuery(prefix: scope.prefix, startAfter: scope.prefix + "x", limit: 1),
        ] {
            try expect(try await scope.store.list(query), is: ListPage(), "a page of nothing")
        }
        let page = try await scope.store.list(ListQuery(prefix: scope.prefix, details: true))
        try expect(page.keys.isEmpty && page.next == nil && (page.objects ?? []).isEmpty, "with details: \(page)")
    }

    private static func order(_ scope: ConformanceScope) async throws {
        // U+FF5E comes before U+1F600 in UTF-8, but after its surrogates in UTF-16.
        let names = [
            " ", "!", "-", "0", "10", "2", "A", "Z", "a", "a b", "aa", "b", "e\u{301}", "é", "ü", "日", "\u{FF5E}", "😀",
        ]
        try await scope.putAll(names.reversed())
        try expect(try await scope.names(ListQuery(prefix: scope.prefix)), is: names.sortedByUTF8, "the keys")
    }

    private static func prefix(_ scope: ConformanceScope) async throws {
        try await scope.putAll(["a", "a/1", "a/2", "ab", "ab/1", "b", "A/1", "ä", "a%2F1"])
        let expected: [(String, [String])] = [
            ("a", ["a", "a%2F1", "a/1", "a/2", "ab", "ab/1"]), ("a/", ["a/1", "a/2"]), ("a/1", ["a/1"]),
            ("ab", ["ab", "ab/1"]),
            ("A", ["A/1"]), ("c", []), ("a/1/", []), ("ä", ["ä"]), ("a%", ["a%2F1"]),
        ]
        for (prefix, names) in expected {
            let found = try await scope.names(ListQuery(prefix: scope.prefix + prefix))
            try expect(found, is: names, "the keys that begin with “\(prefix)”")
        }
    }

    private static func nested(_ scope: ConformanceScope) async throws {
        let names = ["a", "a-b", "a.b", "a/b", "a/b/c", "a/b/c/d", "a0"]
        try await scope.putAll(names.shuffled())
        try expect(try await scope.names(ListQuery(prefix: scope.prefix)), is: names, "the keys")
        for limit in 1...3 {
            let query = ListQuery(prefix: scope.prefix, limit: limit)
            try expect(try await scope.names(query), is: names, "the keys in pages of \(limit)")
        }
        try await scope.store.delete(try scope.key("a/b"))
        let rest = names.filter { $0 != "a/b" }
        try expect(try await scope.names(ListQuery(prefix: scope.prefix)), is: rest, "the keys after a delete")
    }

    private static func follows(_ scope: ConformanceScope) async throws {
        var names: Set<String> = []
        for (name, isPut) in [
            ("b", true), ("a", true), ("b", true), ("a", false), ("c", true), ("a", true), ("b", false),
        ] {
            if isPut {
                try await scope.put(name)
                names.insert(name)
            } else {
                try await scope.store.delete(try scope.key(name))
                names.remove(name)
            }
            let found = try await scope.names(ListQuery(prefix: scope.prefix))
            try expect(found, is: names.sorted(), "the keys after a change of “\(name)”")
        }
    }

    private static func details(_ scope: ConformanceScope) async throws {
        let sizes = ["a": 0, "b": 1, "c": 2000]
        for (name, size) in sizes { try await scope.store.put(try scope.key(name), ObjectBody(content(size))) }
        let page = try await scope.store.list(ListQuery(prefix: scope.prefix, details: true))
        try expect(page.objects?.map(\.key), is: page.keys, "the keys of the infos")
        for info in page.objects ?? [] {
            try expect(info.size, is: sizes[scope.name(of: info.key)], "the size of \(info.key)")
            try expect(info.version, is: try await scope.store.info(info.key).version, "the version of \(info.key)")
        }
        let plain = try await scope.store.list(ListQuery(prefix: scope.prefix))
        try expect(plain.objects == nil, "infos that were not asked for")
    }

    private static func pattern(_ scope: ConformanceScope) async throws {
        try await scope.putAll([
            "users/1", "users/2", "users/2/mail", "users", "groups/1", "users/*", "usersX/1", "users/ü",
        ])
        let expected: [(String, [String])] = [
            ("users/*", ["users/*", "users/1", "users/2", "users/ü"]), ("*/1", ["groups/1", "users/1", "usersX/1"]),
            ("*", ["users"]), ("users/2/*", ["users/2/mail"]), ("*/*/mail", ["users/2/mail"]), ("users/1", ["users/1"]),
            ("users*/1", []), ("users/*/*/*", []),
        ]
        for (pattern, names) in expected {
            let pattern = try KeyPattern(validating: scope.prefix + pattern)
            for limit in [1, 1000] {
                let found = try await scope.names(ListQuery(pattern: pattern, limit: limit))
                try expect(found, is: names, "the keys that match “\(pattern)”, in pages of \(limit)")
            }
        }
        let both = ListQuery(prefix: scope.prefix + "g", pattern: try KeyPattern(validating: scope.prefix + "*/*"))
        try expect(try await scope.names(both), is: ["groups/1"], "the keys of a pattern and a prefix")
    }

    private static func delimiter(_ scope: ConformanceScope) async throws {
        try await scope.putAll(["a", "a/1", "a/2", "a/2/x", "b/1", "c", "c0"])
        let expected: [(prefix: String, names: [String])] = [
            ("", ["a", "a/", "b/", "c", "c0"]), ("a", ["a", "a/"]), ("a/", ["a/1", "a/2", "a/2/"]), ("b/", ["b/1"]),
            ("a/2", ["a/2", "a/2/"]), ("x", []),
        ]
        for (prefix, names) in expected {
            for limit in [1, 2, 1000] {
                let query = ListQuery(prefix: scope.prefix + prefix, delimiter: "/", limit: limit)
                let found = try await scope.names(query)
                try expect(found, is: names, "what “\(prefix)” holds, in pages of \(limit)")
            }
        }
    }

    private static func longDelimiter(_ scope: ConformanceScope) async throws {
        try await scope.putAll(["2026--05--a", "2026--05--b", "2026--06--a", "2026-", "2026é1", "2026é2"])
        let query = ListQuery(prefix: scope.prefix, delimiter: "--")
        try expect(
            try await scope.names(query), is: ["2026-", "2026--", "2026é1", "2026é2"],
            "what is there, rolled up by “--”")
        let accented = ListQuery(prefix: scope.prefix + "2026", delimiter: "é")
        try expect(
            try await scope.names(accented), is: ["2026-", "2026--05--a", "2026--05--b", "2026--06--a", "2026é"],
            "what is there, rolled up by “é”")
    }

    /// Texts that `String` takes for equal, one behind the other.
    private static func lookAlikePrefixes(_ scope: ConformanceScope) async throws {
        // One after the other: at once, a server that takes them for one folder may make two by chance.
        for name in ["e\u{301}/x", "\u{e9}/x", "\u{e9}/y"] { try await scope.putAll([name]) }
        for limit in [1, 2, 1000] {
            let query = ListQuery(prefix: scope.prefix, delimiter: "/", limit: limit)
            var prefixes: [[UInt8]] = []
            for try await page in scope.store.pages(query) {
                prefixes += page.prefixes.map { Array($0.utf8.dropFirst(scope.prefix.utf8.count)) }
            }
            try expect(
                prefixes, is: [Array("e\u{301}/".utf8), Array("\u{e9}/".utf8)], "the prefixes in pages of \(limit)")
        }
    }

    private static func wrongQuery(_ scope: ConformanceScope) async throws {
        for limit in [0, -1, ListQuery.maximumLimit + 1, .min, .max] {
            try await expectError(.invalid, in: "a list with limit \(limit)") {
                try await scope.store.list(ListQuery(prefix: scope.prefix, limit: limit))
            }
        }
        try await expectError(.invalid, in: "a list with an empty delimiter") {
            try await scope.store.list(ListQuery(prefix: scope.prefix, delimiter: ""))
        }
    }
}

extension [String] {
    /// In the order that listings promise.
    var sortedByUTF8: [String] { sorted { $0.utf8Precedes($1) } }
}
