import Storage

extension ConformanceSuite {
    static let cancellation: [ConformanceCase] = [
        ConformanceCase("cancellation/of-a-put-leaves-nothing", ofPut),
        ConformanceCase("cancellation/of-an-overwrite-leaves-the-old-object", ofOverwrite),
        ConformanceCase("cancellation/of-many-puts-holds-nothing-back", ofMany),
        ConformanceCase("cancellation/before-a-put-stores-all-or-nothing", beforePut),
        ConformanceCase("cancellation/of-a-reader-ends-it", ofReader),
    ]

    private static func ofPut(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        for size in [10, 2_500_000] {
            let put = await StallingBody(content(size)).put(to: key, in: scope.store)
            try await scope.expectNothing(at: key, after: "half of a put")
            put.cancel()
            try await expectError(.cancelled, in: "a put cancelled after \(size) bytes") { try await put.value }
            try await scope.expectNothing(at: key, after: "a put cancelled after \(size) bytes")
        }
        let info = try await scope.put("object", "after all")
        try await scope.expectObject(info, with: Array("after all".utf8), after: "puts cancelled")
    }

    private static func ofOverwrite(_ scope: ConformanceScope) async throws {
        let old = try await scope.put("object", "old")
        let put = await StallingBody(content(2_500_000)).put(to: old.key, in: scope.store)
        put.cancel()
        try await expectError(.cancelled, in: "an overwrite that was cancelled") { try await put.value }
        try await scope.expectObject(old, with: Array("old".utf8), after: "an overwrite that was cancelled")
    }

    private static func ofMany(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        for _ in 0..<100 {
            let put = await StallingBody(content(100)).put(to: key, in: scope.store)
            put.cancel()
            try await expectError(.cancelled, in: "a put that was cancelled") { try await put.value }
        }
        let bytes = content(1_500_000)
        let info = try await scope.store.put(key, .stream(bytes))
        try await scope.expectObject(info, with: bytes, after: "100 puts cancelled")
    }

    private static func beforePut(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let bytes = content(300_000)
        let put = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await scope.store.put(key, .stream(bytes))
        }
        put.cancel()
        switch await put.result {
        case .success(let info): try await scope.expectObject(info, with: bytes, after: "a put that succeeded")
        case .failure(let error as StorageError) where error.kind == .cancelled:
            try await scope.expectNothing(at: key, after: "a put that was cancelled")
        case .failure(let error): throw ConformanceFailure("a put that was cancelled threw \(error)")
        }
    }

    private static func ofReader(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let bytes = content(5_000_000)
        let info = try await scope.store.put(key, .stream(bytes))
        let body = try await scope.store.get(key).body
        let read = Task {
            while !Task.isCancelled { await Task.yield() }
            var count = 0
            for try await chunk in body { count += chunk.count }
            return count
        }
        read.cancel()
        switch await read.result {
        case .success(let count): try expect(count, is: bytes.count, "the bytes of a body that ended without an error")
        case .failure(let error as StorageError): try expect(error.kind, is: .cancelled, "the kind of \(error)")
        case .failure(let error): throw error
        }
        try await scope.expectObject(info, with: bytes, after: "a reader that was cancelled")
    }
}
