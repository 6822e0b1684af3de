import Storage

extension ConformanceSuite {
    static let streaming: [ConformanceCase] =
        sizes.map(roundTrip) + [
            ConformanceCase("streaming/of-single-bytes", singleBytes),
            ConformanceCase("streaming/of-a-size-announced", announced),
            ConformanceCase("streaming/many-one-after-the-other", many),
            ConformanceCase("streaming/a-body-of-another-size-than-announced-is-refused", wrongSize),
            ConformanceCase("streaming/a-body-that-fails-leaves-nothing", failing),
            ConformanceCase("streaming/a-reader-may-stop-early", stopEarly),
            ConformanceCase("streaming/a-put-under-way-is-not-to-be-seen", underWay),
        ]

    /// Around the sizes at which backends cut bodies.
    private static let sizes: [Int] = {
        let borders = [64 << 10, 128 << 10, 1 << 20]
        return [0, 1, 1000] + borders.flatMap { [$0 - 1, $0, $0 + 1] } + [(5 << 20) + 1]
    }()

    private static func roundTrip(_ size: Int) -> ConformanceCase {
        ConformanceCase("streaming/\(size)-bytes-come-back") { try await comesBack(size, $0) }
    }

    private static func comesBack(_ size: Int, _ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let bytes = content(size)
        for body in [ObjectBody.stream(bytes), ObjectBody(bytes)] {
            let info = try await scope.store.put(key, body)
            try expect(info.size, is: size, "the size")
            try expect(info.digest, is: Digest(of: bytes), "the digest")
            let object = try await scope.store.get(key)
            try expect(object.body.size ?? size, is: size, "the size that the body tells")
            var found: [UInt8] = []
            for try await chunk in object.body {
                try expect(!chunk.isEmpty, "the body gave an empty chunk")
                found += chunk
            }
            try expect(bytes: found, are: bytes, "the object")
        }
    }

    private static func singleBytes(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let bytes = content(500)
        try await scope.store.put(key, .stream(bytes, chunk: 1))
        try expect(bytes: try await scope.store.bytes(key), are: bytes, "the object")
    }

    private static func announced(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let bytes = content(700_000)
        try await scope.store.put(key, .stream(bytes, announcing: bytes.count))
        try expect(bytes: try await scope.store.bytes(key), are: bytes, "the object")
    }

    private static func many(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        for number in 0..<100 {
            let bytes = Array("\(number)".utf8)
            let info = try await scope.store.put(key, .stream(bytes))
            try expect(info.digest, is: Digest(of: bytes), "the digest of body \(number)")
        }
        try expect(try await scope.text(key), is: "99", "the last object")
    }

    private static func wrongSize(_ scope: ConformanceScope) async throws {
        let (new, old) = (try scope.key("new"), try await scope.put("old", "kept"))
        for count in [0, 99_999, 2_000_000] {
            for key in [new, old.key] {
                try await expectError(.invalid, in: "a put of \(count) bytes announced as 100000") {
                    try await scope.store.put(key, .stream(content(count), announcing: 100_000))
                }
            }
        }
        try await scope.expectNothing(at: new, after: "a put refused")
        try await scope.expectObject(old, with: Array("kept".utf8), after: "a put refused")
    }

    private static func failing(_ scope: ConformanceScope) async throws {
        let (new, old) = (try scope.key("new"), try await scope.put("old", "kept"))
        let failure = StorageError(.throttled, "the body's own failure")
        for count in [0, 10, 2_000_000] {
            for key in [new, old.key] {
                try await expectError(.throttled, in: "a put whose body throws throttled after \(count) bytes") {
                    try await scope.store.put(key, .stream(content(count), then: failure))
                }
            }
        }
        try await scope.expectNothing(at: new, after: "a body that failed")
        try await scope.expectObject(old, with: Array("kept".utf8), after: "a body that failed")
    }

    private static func stopEarly(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let bytes = content(3_000_000)
        let info = try await scope.store.put(key, .stream(bytes))
        for _ in 0..<5 {
            for try await chunk in try await scope.store.get(key).body {
                try expect(bytes: chunk, are: Array(bytes.prefix(chunk.count)), "the first chunk")
                break
            }
        }
        try await scope.expectObject(info, with: bytes, after: "readers that stopped early")
    }

    private static func underWay(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let first = try await scope.store.put(key, ObjectBody("first"))
        let stalling = StallingBody(content(100_000))
        let put = await stalling.put(to: key, in: scope.store)
        // Neither is half of it to be seen, nor does it hold others up.
        try await scope.expectObject(first, with: Array("first".utf8), after: "half of a put")
        try await scope.put("other")
        put.cancel()
        _ = await put.result
    }
}
