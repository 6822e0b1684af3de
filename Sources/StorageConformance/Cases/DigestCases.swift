import Storage

extension ConformanceSuite {
    static let digests: [ConformanceCase] = [
        ConformanceCase("digests/the-right-one-is-accepted", rightDigest),
        ConformanceCase("digests/a-wrong-one-changes-nothing", wrongDigest),
    ]

    private static func bodies(_ bytes: [UInt8]) -> [ObjectBody] { [ObjectBody(bytes), .stream(bytes)] }

    private static func rightDigest(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        for size in [0, 10, 2_000_000] {
            let bytes = content(size)
            for body in bodies(bytes) {
                let options = PutOptions(expectedDigest: Digest(of: bytes))
                let info = try await scope.store.put(key, body, options: options)
                try await scope.expectObject(info, with: bytes, after: "a put with its digest")
            }
        }
    }

    private static func wrongDigest(_ scope: ConformanceScope) async throws {
        let (new, old) = (try scope.key("new"), try await scope.put("old", "kept"))
        let options = PutOptions(expectedDigest: Digest(of: [1, 2, 3]))
        for size in [0, 10, 2_000_000] {
            for key in [new, old.key] {
                for body in bodies(content(size)) {
                    try await expectError(.digestMismatch, in: "a put of \(size) bytes with another digest") {
                        try await scope.store.put(key, body, options: options)
                    }
                }
            }
        }
        try await scope.expectNothing(at: new, after: "a wrong digest")
        try await scope.expectObject(old, with: Array("kept".utf8), after: "a wrong digest")
    }
}
