import Storage

extension ConformanceSuite {
    static let keys: [ConformanceCase] = [
        ConformanceCase("keys/of-any-characters-are-kept-apart", anyCharacters),
        ConformanceCase("keys/that-file-systems-or-URLs-would-change", hostile),
        ConformanceCase("keys/of-1024-bytes", longest),
        ConformanceCase("keys/of-many-segments", manySegments),
        ConformanceCase("keys/composed-and-decomposed-are-two", normalization),
        ConformanceCase("keys/upper-and-lower-case-are-two", letterCase),
        ConformanceCase("keys/one-may-be-the-prefix-of-another", prefixOfAnother),
    ]

    private static func anyCharacters(_ scope: ConformanceScope) async throws {
        try await keptApart(
            [
                "with space", " leading", "trailing ", "a+b", "100%", "~", "*", ">", "a.b.>", "a*b", "?", "#", "&a=b",
                "=",
                "\"'`", "\\", "a\\b", "<>|", "[a]{b}(c)", "^$!@,;:", "ü", "日本語/キー", "😀", "👩‍👩‍👧", "עברית", "\u{feff}bom",
                "\u{200b}",
                "\u{10ffff}", "_", "-",
            ], scope)
    }

    private static func hostile(_ scope: ConformanceScope) async throws {
        try await keptApart(
            [
                "%2F", "%2f", "%", "%%", "%25", "a%20b", "a b", "a+b", ".hidden", "...", ".. ", "..a", "a.", "a..",
                "CON",
                "nul.txt", "x.tmp", "x~", ".tmp", "a/.b", "a.json", "a.meta", "a/meta", "$MFT", "lost+found", "~user",
                "-rf", "--", "a:b", "a;b", "a\u{301}", "conformance-1/x", "con", "index.html", "a/index.html",
            ], scope)
    }

    private static func longest(_ scope: ConformanceScope) async throws {
        let room = ObjectKey.maximumBytes - scope.prefix.utf8.count
        let one = String(repeating: "x", count: room)
        let other = String(repeating: "x", count: room - 1) + "y"
        let wide = String(repeating: "日", count: room / 3)
        let split = String(repeating: "segment-of-16-b/", count: room / 16) + "end"
        try await keptApart([one, other, wide, String(split.suffix(room))], scope)
    }

    private static func manySegments(_ scope: ConformanceScope) async throws {
        let deep = Array(repeating: "d", count: 400).joined(separator: "/")
        try await keptApart([deep, deep + "/e", "d/d"], scope)
        try await scope.store.delete(try scope.key(deep + "/e"))
        try expect(
            try await scope.names(ListQuery(prefix: scope.prefix)), is: ["d/d", deep], "the keys after a delete")
    }

    private static func normalization(_ scope: ConformanceScope) async throws {
        try await keptApart(["caf\u{e9}", "cafe\u{301}", "\u{212b}", "\u{c5}", "A\u{30a}", "ﬁ", "fi"], scope)
    }

    private static func letterCase(_ scope: ConformanceScope) async throws {
        try await keptApart(
            ["readme", "README", "Readme", "dir/a", "DIR/a", "ü", "Ü", "ß", "ss", "ẞ", "I", "i", "ı", "İ"], scope)
    }

    private static func prefixOfAnother(_ scope: ConformanceScope) async throws {
        let names = ["a/b/c", "a", "a/b"]
        try await keptApart(names, scope)
        for name in ["a/b", "a", "a/b/c"] {
            try expect(try await scope.store.delete(try scope.key(name)), is: true, "whether “\(name)” was there")
            try await scope.expectNothing(at: try scope.key(name), after: "its delete")
        }
        try expect(try await scope.store.list(ListQuery(prefix: scope.prefix)).keys, is: [], "the keys at the end")
    }

    /// Puts an object of its own under each name, finds each, lists all, and deletes one without losing another.
    private static func keptApart(_ names: [String], _ scope: ConformanceScope) async throws {
        for name in names { try await scope.put(name, "content of " + name) }
        for name in names {
            let key = try scope.key(name)
            try expect(Array(try await scope.text(key).utf8), is: Array(("content of " + name).utf8), "“\(name)”")
            try expect(try await scope.store.info(key).key, is: key, "the key that the info of “\(name)” tells")
        }
        let keys = try names.map { try scope.key($0) }.sorted()
        try expect(try await scope.store.list(ListQuery(prefix: scope.prefix)).keys, is: keys, "the keys listed")
        let first = try scope.key(names[0])
        try await scope.store.delete(first)
        let rest = keys.filter { $0 != first }
        try expect(
            try await scope.store.list(ListQuery(prefix: scope.prefix)).keys, is: rest, "the keys after a delete")
        try await scope.put(names[0], "content of " + names[0])
    }
}
