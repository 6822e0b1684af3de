import Storage

/// Fails with `complaint` unless `condition` holds.
func expect(_ condition: Bool, _ complaint: @autoclosure () -> String) throws {
    guard condition else { throw ConformanceFailure(complaint()) }
}

/// Fails unless `found` is `wanted`.
func expect<Value: Equatable>(_ found: Value, is wanted: Value, _ what: @autoclosure () -> String) throws {
    guard found == wanted else { throw ConformanceFailure("\(what()): \(found) instead of \(wanted)") }
}

/// Fails unless the bytes are the same; tells where they differ.
func expect(bytes found: [UInt8], are wanted: [UInt8], _ what: String) throws {
    guard found != wanted else { return }
    let offset = zip(found, wanted).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    throw ConformanceFailure(
        "\(what): \(found.count) bytes instead of \(wanted.count), different from byte "
            + "\(offset ?? min(found.count, wanted.count)) on")
}

/// Fails unless `body` throws a storage error of one of these kinds.
@discardableResult
func expectError<Value>(
    _ kinds: StorageError.Kind..., in what: String, _ body: () async throws -> Value
) async throws -> StorageError {
    let wanted = kinds.map(\.rawValue).joined(separator: " or ")
    do {
        _ = try await body()
    } catch let error as StorageError {
        guard kinds.contains(error.kind) else {
            throw ConformanceFailure("\(what) threw \(error.kind.rawValue) (\(error)) instead of \(wanted)")
        }
        return error
    }
    throw ConformanceFailure("\(what) succeeded instead of throwing \(wanted)")
}

extension ConformanceScope {
    /// Fails unless nothing is to be seen under `key`.
    func expectNothing(at key: ObjectKey, after what: String) async throws {
        try await expectError(.notFound, in: "info after \(what)") { try await store.info(key) }
        try await expectError(.notFound, in: "get after \(what)") { try await store.get(key) }
        let keys = try await store.list(ListQuery(prefix: key.rawValue)).keys
        try expect(!keys.contains(key), "after \(what) the key is still listed")
    }

    /// Fails unless `key` holds the version of `info`, with this content.
    func expectObject(_ info: ObjectInfo, with content: [UInt8], after what: String) async throws {
        let found = try await store.info(info.key)
        try expect(found.version, is: info.version, "the version after \(what)")
        try expect(found.attributes, is: info.attributes, "the attributes after \(what)")
        let bytes = try await store.bytes(info.key)
        try expect(bytes: bytes, are: content, "the object after \(what)")
    }

    /// Fails unless an operation that needs any of `missing` throws `unsupported` and changes nothing.
    func expectRefusal(of missing: Capabilities) async throws {
        let (taken, free) = (try key("taken"), try key("free"))
        let before = try await store.put(taken, ObjectBody("kept"))
        let version = Precondition.matches(before.version)
        if missing.contains(.createOnly) {
            try await refuses("a put on the condition that nothing is there") {
                try await store.put(free, ObjectBody("x"), options: PutOptions(precondition: .absent))
            }
        }
        if missing.contains(.compareAndSwap) {
            try await refuses("a put on the condition of a version") {
                try await store.put(taken, ObjectBody("x"), options: PutOptions(precondition: version))
            }
            try await refuses("a delete on the condition of a version") {
                try await store.delete(taken, options: DeleteOptions(precondition: version))
            }
        }
        if missing.contains(.timeToLive) {
            try await refuses("a put with a time to live") {
                try await store.put(free, ObjectBody("x"), options: PutOptions(timeToLive: .seconds(60)))
            }
        }
        if missing.contains(.metadataUpdate) {
            try await refuses("setting metadata") {
                try await store.setMetadata(taken, ObjectAttributes(), options: SetMetadataOptions())
            }
        }
        if missing.contains(.messageID) {
            try await refuses("a put with a message id") {
                try await store.put(free, ObjectBody("x"), options: PutOptions(messageID: prefix))
            }
        }
        try await expectNothing(at: free, after: "a refusal")
        try await expectObject(before, with: Array("kept".utf8), after: "a refusal")
    }

    private func refuses<Value>(_ what: String, _ body: () async throws -> Value) async throws {
        try await expectError(.unsupported, in: what + ", which the store says it can't do,", body)
    }
}
