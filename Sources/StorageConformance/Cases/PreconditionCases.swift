import Storage

extension ConformanceSuite {
    static let preconditions: [ConformanceCase] = [
        ConformanceCase("preconditions/create-only-creates-once", needs: .createOnly, createOnly),
        ConformanceCase("preconditions/create-only-after-a-delete", needs: .createOnly, createAfterDelete),
        ConformanceCase("preconditions/create-only-of-a-stream", needs: .createOnly, createStream),
        ConformanceCase("preconditions/a-swap-of-the-current-version", needs: .compareAndSwap, swap),
        ConformanceCase("preconditions/a-swap-of-another-version-changes-nothing", needs: .compareAndSwap, staleSwap),
        ConformanceCase("preconditions/a-swap-of-nothing-stores-nothing", needs: .compareAndSwap, swapOfNothing),
        ConformanceCase("preconditions/a-delete-of-the-current-version", needs: .compareAndSwap, deleteMatches),
        ConformanceCase(
            "preconditions/a-delete-of-another-version-deletes-nothing", needs: .compareAndSwap, staleDelete),
        ConformanceCase("preconditions/a-delete-of-what-must-be-absent-is-invalid", deleteAbsent),
    ]

    private static func createOnly(_ scope: ConformanceScope) async throws {
        let create = PutOptions(precondition: .absent)
        let first = try await scope.put("object", "first", create)
        let error = try await expectError(.preconditionFailed, in: "a second create") {
            try await scope.put("object", "second", create)
        }
        try expect(error.currentVersion, is: first.version, "the current version that the error tells")
        try expect(error.errorClass, is: .conflict, "the error's class")
        try await scope.expectObject(first, with: Array("first".utf8), after: "a second create")
    }

    private static func createAfterDelete(_ scope: ConformanceScope) async throws {
        let key = try await scope.put("object", "first").key
        try await scope.store.delete(key)
        let created = try await scope.put("object", "second", PutOptions(precondition: .absent))
        try await scope.expectObject(created, with: Array("second".utf8), after: "a create")
    }

    private static func createStream(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let bytes = content(1_500_000)
        let create = PutOptions(precondition: .absent)
        let info = try await scope.store.put(key, .stream(bytes), options: create)
        try await expectError(.preconditionFailed, in: "a second create") {
            try await scope.store.put(key, .stream(content(1_500_000, seed: 2)), options: create)
        }
        try await scope.expectObject(info, with: bytes, after: "a second create")
    }

    private static func swap(_ scope: ConformanceScope) async throws {
        var info = try await scope.put("object", "0")
        for text in ["1", "2", "3"] {
            info = try await scope.put("object", text, PutOptions(precondition: .matches(info.version)))
            try await scope.expectObject(info, with: Array(text.utf8), after: "a swap")
        }
    }

    private static func staleSwap(_ scope: ConformanceScope) async throws {
        let first = try await scope.put("object", "1")
        let second = try await scope.put("object", "2")
        for version in [first.version, Version("no-version-of-this-store")] {
            let error = try await expectError(.preconditionFailed, in: "a swap of version \(version)") {
                try await scope.put("object", "3", PutOptions(precondition: .matches(version)))
            }
            try expect(error.currentVersion, is: second.version, "the current version that the error tells")
            try await scope.expectObject(second, with: [UInt8(ascii: "2")], after: "a swap of version \(version)")
        }
    }

    private static func swapOfNothing(_ scope: ConformanceScope) async throws {
        let info = try await scope.put("object")
        try await scope.store.delete(info.key)
        let options = PutOptions(precondition: .matches(info.version))
        let error = try await expectError(.preconditionFailed, in: "a swap of what was deleted") {
            try await scope.put("object", "x", options)
        }
        try expect(error.currentVersion, is: nil, "the current version that the error tells")
        try await scope.expectNothing(at: info.key, after: "a swap of what was deleted")
        try await expectError(.preconditionFailed, in: "a swap of what never was") {
            try await scope.put("never", "x", options)
        }
        try await scope.expectNothing(at: try scope.key("never"), after: "a swap of what never was")
    }

    private static func deleteMatches(_ scope: ConformanceScope) async throws {
        let info = try await scope.put("object")
        let options = DeleteOptions(precondition: .matches(info.version))
        try expect(try await scope.store.delete(info.key, options: options), is: true, "whether the delete found it")
        try await scope.expectNothing(at: info.key, after: "a delete")
        let error = try await expectError(.preconditionFailed, in: "a delete of a version that is gone") {
            try await scope.store.delete(info.key, options: options)
        }
        try expect(error.currentVersion, is: nil, "the current version that the error tells")
    }

    private static func staleDelete(_ scope: ConformanceScope) async throws {
        let first = try await scope.put("object", "1")
        let second = try await scope.put("object", "2")
        let error = try await expectError(.preconditionFailed, in: "a delete of an old version") {
            try await scope.store.delete(first.key, options: DeleteOptions(precondition: .matches(first.version)))
        }
        try expect(error.currentVersion, is: second.version, "the current version that the error tells")
        try await scope.expectObject(second, with: [UInt8(ascii: "2")], after: "a delete of an old version")
    }

    private static func deleteAbsent(_ scope: ConformanceScope) async throws {
        let info = try await scope.put("object")
        try await expectError(.invalid, in: "a delete of what must be absent") {
            try await scope.store.delete(info.key, options: DeleteOptions(precondition: .absent))
        }
        try await scope.expectObject(info, with: [UInt8(ascii: "x")], after: "an invalid delete")
    }
}
