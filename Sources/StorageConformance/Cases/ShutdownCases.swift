import Storage

extension ConformanceSuite {
    static let shutdown: [ConformanceCase] = [
        ConformanceCase("shutdown/later-operations-succeed-or-are-unavailable", endsStore: true, laterOperations),
        ConformanceCase("shutdown/operations-under-way-end", endsStore: true, endsUnderWay),
        ConformanceCase("shutdown/twice-is-harmless", endsStore: true, twice),
    ]

    private static func laterOperations(_ scope: ConformanceScope) async throws {
        let (store, key) = (scope.store, try scope.key())
        // Deleted before: what is there after a shutdown could not be cleaned up.
        try await store.put(key, ObjectBody("x"))
        try await store.delete(key)
        await store.shutdown()
        try await endsWell("delete") { try await store.delete(key) }
        try await endsWell("list") { try await store.list(ListQuery(prefix: scope.prefix)) }
        try await endsWell("info", or: .notFound) { try await store.info(key) }
        try await endsWell("get", or: .notFound) { try await store.get(key) }
        try await endsWell("put") {
            try await store.put(key, ObjectBody("x"))
            try await store.delete(key)
        }
    }

    private static func endsUnderWay(_ scope: ConformanceScope) async throws {
        let (store, key) = (scope.store, try scope.key())
        let stalling = StallingBody(content(300_000))
        let put = await stalling.put(to: key, in: store)
        let shutdown = Task { await store.shutdown() }
        // The body ends with the put's task, at the latest.
        put.cancel()
        await shutdown.value
        try await endsWell("a put under way", or: .cancelled) { try await put.value }
        try await endsWell("info", or: .notFound) { try await store.info(key) }
    }

    private static func twice(_ scope: ConformanceScope) async throws {
        await scope.store.shutdown()
        await scope.store.shutdown()
    }

    private static func endsWell<Value>(
        _ what: String, or other: StorageError.Kind = .unavailable, _ body: () async throws -> Value
    ) async throws {
        do {
            _ = try await body()
        } catch let error as StorageError {
            guard [.unavailable, other].contains(error.kind) else {
                throw ConformanceFailure("after a shutdown \(what) threw \(error.kind.rawValue): \(error)")
            }
        }
    }
}
