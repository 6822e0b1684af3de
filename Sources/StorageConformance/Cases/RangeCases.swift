import Storage

extension ConformanceSuite {
    static let ranges: [ConformanceCase] = [
        ConformanceCase("ranges/every-form-gives-its-bytes", everyForm),
        ConformanceCase("ranges/across-the-chunks-of-a-large-object", acrossChunks),
        ConformanceCase("ranges/outside-of-the-object-are-not-satisfiable", unsatisfiable),
        ConformanceCase("ranges/of-one-version-add-up-to-the-object", addUp),
    ]

    private static func everyForm(_ scope: ConformanceScope) async throws {
        let ranges: [ByteRange] = [
            .bounded(first: 0, last: 0), .bounded(first: 0, last: 99), .bounded(first: 10, last: 19),
            .bounded(first: 99, last: 99), .bounded(first: 90, last: 1_000_000), .from(0), .from(1), .from(99),
            .suffix(1), .suffix(50), .suffix(100), .suffix(1_000_000),
        ]
        try await check(ranges, ofObjectOf: 100, scope)
    }

    private static func acrossChunks(_ scope: ConformanceScope) async throws {
        let size = 2_500_000
        let borders = [1 << 16, 1 << 17, 1 << 20, 2 << 20]
        let ranges =
            borders.map { ByteRange.bounded(first: $0 - 1, last: $0) } + [
                .bounded(first: 1, last: size - 2), .bounded(first: 100_000, last: 400_000), .from(size - 200_000),
                .suffix(1_100_000),
            ]
        try await check(ranges, ofObjectOf: size, scope)
    }

    private static func check(_ ranges: [ByteRange], ofObjectOf size: Int, _ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let bytes = content(size)
        let info = try await scope.store.put(key, ObjectBody(bytes))
        for range in ranges {
            let wanted = try range.resolve(size: size)
            let object = try await scope.store.get(key, options: GetOptions(range: range, ifMatch: info.version))
            try expect(object.range, is: wanted, "the range told of \(range)")
            try expect(object.info.size, is: size, "the size of the whole, told with \(range)")
            try expect(object.info.digest, is: info.digest, "the digest of the whole, told with \(range)")
            let found = try await object.body.collect(upTo: size)
            try expect(bytes: found, are: Array(bytes[wanted]), "\(range)")
        }
    }

    private static func unsatisfiable(_ scope: ConformanceScope) async throws {
        let (key, empty) = (try scope.key(), try scope.key("empty"))
        try await scope.store.put(key, ObjectBody(content(100)))
        try await scope.store.put(empty, ObjectBody([]))
        let attempts: [(ObjectKey, ByteRange)] = [
            (key, .bounded(first: 100, last: 100)), (key, .from(100)), (key, .from(1_000_000)), (key, .suffix(0)),
            (empty, .from(0)), (empty, .bounded(first: 0, last: 0)), (empty, .suffix(1)),
        ]
        for (key, range) in attempts {
            try await expectError(.rangeNotSatisfiable, in: "a get of \(range) of \(scope.name(of: key))") {
                try await scope.store.get(key, options: GetOptions(range: range))
            }
        }
    }

    private static func addUp(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let bytes = content(1_000_001)
        let version = try await scope.store.put(key, ObjectBody(bytes)).version
        var found: [UInt8] = []
        while found.count < bytes.count {
            let range = ByteRange.bounded(first: found.count, last: found.count + 99_999)
            let object = try await scope.store.get(key, options: GetOptions(range: range, ifMatch: version))
            let part = try await object.body.collect(upTo: 100_000)
            try expect(!part.isEmpty, "\(range) is empty")
            found += part
        }
        try expect(bytes: found, are: bytes, "the ranges together")
    }
}
