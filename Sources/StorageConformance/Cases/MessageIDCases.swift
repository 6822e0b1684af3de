import Storage

extension ConformanceSuite {
    static let messageIDs: [ConformanceCase] = [
        ConformanceCase("message-ids/the-same-stores-once", needs: .messageID, once),
        ConformanceCase("message-ids/racing-puts-of-one-store-once", needs: .messageID, racing),
        ConformanceCase("message-ids/of-a-put-that-failed-is-free", needs: .messageID, afterFailure),
        ConformanceCase(
            "message-ids/do-not-stand-in-for-preconditions", needs: [.messageID, .createOnly, .compareAndSwap],
            preconditions),
    ]

    private static func once(_ scope: ConformanceScope) async throws {
        let options = PutOptions(messageID: scope.prefix + "1")
        let first = try await scope.put("first", "1", options)
        let again = try await scope.put("second", "longer", options)
        try expect(again.key, is: first.key, "the key that the second put told")
        try expect(again.version, is: first.version, "the version that the second put told")
        try expect(again.size, is: first.size, "the size that the second put told")
        try expect(again.digest, is: first.digest, "the digest that the second put told")
        try await scope.expectNothing(at: try scope.key("second"), after: "a second put of an id")
        try await scope.expectObject(first, with: [UInt8(ascii: "1")], after: "a second put of its id")
        try await scope.put("third", "3", PutOptions(messageID: scope.prefix + "2"))
        try expect(try await scope.names(ListQuery(prefix: scope.prefix)), is: ["first", "third"], "the keys")
    }

    private static func racing(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let options = PutOptions(messageID: scope.prefix)
        let versions = try await withThrowingTaskGroup(of: Version.self) { group in
            for number in 0..<8 {
                group.addTask { try await scope.store.put(key, ObjectBody("\(number)"), options: options).version }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        try expect(versions, is: [try await scope.store.info(key).version], "the versions that 8 puts told")
    }

    /// What has happened under its id is told, whatever its precondition says by now; another one has to hold it.
    private static func preconditions(_ scope: ConformanceScope) async throws {
        for size in [1, 400_000] {
            let key = try scope.key("object-\(size)")
            let bytes = content(size)
            @Sendable func put(_ id: Int, _ precondition: Precondition) async throws -> ObjectInfo {
                let options = PutOptions(precondition: precondition, messageID: "\(scope.prefix)\(size)-\(id)")
                return try await scope.store.put(key, ObjectBody(bytes), options: options)
            }
            let first = try await put(1, .absent)
            try expect(try await put(1, .absent).version, is: first.version, "the version of a create told again")
            try await expectError(.preconditionFailed, in: "a create of another id") { try await put(2, .absent) }
            let second = try await put(3, .matches(first.version))
            let again = try await put(3, .matches(first.version))
            try expect(again.version, is: second.version, "the version of a swap told again")
            try await expectError(.preconditionFailed, in: "a swap of another id") {
                try await put(4, .matches(first.version))
            }
            try await scope.expectObject(second, with: bytes, after: "puts refused")
        }
    }

    private static func afterFailure(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let wrong = PutOptions(expectedDigest: Digest(of: [1]), messageID: scope.prefix)
        try await expectError(.digestMismatch, in: "a put with another digest") {
            try await scope.store.put(key, ObjectBody("x"), options: wrong)
        }
        let info = try await scope.put("object", "x", PutOptions(messageID: scope.prefix))
        try await scope.expectObject(info, with: [UInt8(ascii: "x")], after: "a put that failed and one that did not")
    }
}
