import Storage

extension ConformanceSuite {
    static let concurrency: [ConformanceCase] = [
        ConformanceCase("concurrency/of-racing-creators-one-wins", needs: .createOnly, oneCreator),
        ConformanceCase("concurrency/no-increment-of-a-counter-is-lost", needs: .compareAndSwap, increments),
        ConformanceCase("concurrency/readers-see-whole-objects-during-overwrites", wholeObjects),
        ConformanceCase("concurrency/of-racing-overwrites-one-is-left-whole", oneLeft),
        ConformanceCase("concurrency/of-racing-deletes-one-finds-the-object", needs: .compareAndSwap, oneDelete),
        ConformanceCase("concurrency/writers-of-many-keys-lose-none", manyKeys),
        ConformanceCase("concurrency/a-key-and-one-below-it-are-both-kept", keyAndBelow),
    ]

    /// An object of one repeated byte, whose size tells the byte too: a mix of two is no such object.
    private static func uniform(_ number: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 150_000 + number * 1000)
    }

    private static func oneCreator(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let winners = try await withThrowingTaskGroup(of: Int?.self) { group in
            for number in 0..<16 {
                group.addTask {
                    do throws(StorageError) {
                        let options = PutOptions(precondition: .absent)
                        _ = try await scope.store.put(key, .stream(uniform(number)), options: options)
                        return number
                    } catch {
                        try expect(error.kind, is: .preconditionFailed, "what a loser got (\(error))")
                        return nil
                    }
                }
            }
            return try await group.reduce(into: [Int]()) { if let winner = $1 { $0.append(winner) } }
        }
        try expect(winners.count, is: 1, "the number of winners")
        try expect(bytes: try await scope.store.bytes(key), are: uniform(winners[0]), "the winner's object")
    }

    private static func keyAndBelow(_ scope: ConformanceScope) async throws {
        for round in 0..<8 {
            let names = ["\(round)", "\(round)/below", "\(round)/below/it"]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for name in names { group.addTask { try await scope.put(name, name) } }
                try await group.waitForAll()
            }
            for name in names {
                try expect(try await scope.text(try scope.key(name)), is: name, "the object “\(name)”")
            }
        }
    }

    private static func increments(_ scope: ConformanceScope) async throws {
        let key = try await scope.put("object", "0").key
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<5 {
                group.addTask { for _ in 0..<10 { try await increment(key, scope) } }
            }
            try await group.waitForAll()
        }
        try expect(try await scope.text(key), is: "50", "the counter after 5 × 10 increments")
    }

    private static func increment(_ key: ObjectKey, _ scope: ConformanceScope) async throws {
        while true {
            try Task.checkCancellation()
            do throws(StorageError) {
                let object = try await scope.store.get(key)
                let count = Int(String(decoding: try await object.body.collect(upTo: 9), as: UTF8.self)) ?? -1
                let options = PutOptions(precondition: .matches(object.info.version))
                _ = try await scope.store.put(key, ObjectBody("\(count + 1)"), options: options)
                return
            } catch {
                try expect(isRace(error), "an increment threw \(error.kind.rawValue): \(error)")
                await Task.yield()
            }
        }
    }

    /// Whether the error says no more than that another was faster.
    private static func isRace(_ error: StorageError) -> Bool {
        error.kind == .preconditionFailed || error.kind == .unavailable || error.kind == .throttled
    }

    private static func wholeObjects(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        try await scope.store.put(key, ObjectBody(uniform(0)))
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for writer in 0..<2 {
                group.addTask {
                    for round in 0..<10 {
                        try await scope.store.put(key, .stream(uniform(writer * 10 + round)))
                    }
                    return true
                }
            }
            for _ in 0..<3 {
                group.addTask {
                    while !Task.isCancelled {
                        try await readWhole(key, scope)
                        // Where a store answers without waiting, readers would keep the writers from running.
                        await Task.yield()
                    }
                    return false
                }
            }
            var writers = 2
            while writers > 0, let isWriter = try await group.next() { if isWriter { writers -= 1 } }
            group.cancelAll()
            try await group.waitForAll()
        }
        let bytes = try await scope.store.bytes(key)
        try expect(bytes: bytes, are: uniform(bytes.count / 1000 - 150), "the last object")
    }

    private static func readWhole(_ key: ObjectKey, _ scope: ConformanceScope) async throws {
        do throws(StorageError) {
            let object = try await scope.store.get(key)
            let bytes = try await object.body.collect(upTo: 1 << 20)
            try expectWhole(bytes, object.info)
        } catch let error where error.kind == .internal || error.kind == .notFound {
            throw ConformanceFailure("a reader got \(error.kind.rawValue) during overwrites: \(error)")
        } catch {
            try expect(isRace(error) || error.kind == .cancelled, "a reader got \(error.kind.rawValue): \(error)")
        }
    }

    private static func expectWhole(_ bytes: [UInt8], _ info: ObjectInfo) throws(StorageError) {
        guard bytes == uniform(bytes.count / 1000 - 150), bytes.count == info.size, Digest(of: bytes) == info.digest
        else { throw StorageError(.internal, "\(bytes.count) bytes of more than one object") }
    }

    private static func oneLeft(_ scope: ConformanceScope) async throws {
        let key = try scope.key()
        let infos = try await withThrowingTaskGroup(of: ObjectInfo.self) { group in
            for number in 0..<12 { group.addTask { try await scope.store.put(key, .stream(uniform(number))) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        try expect(Set(infos.map(\.version)).count, is: 12, "the number of versions that 12 puts told")
        let bytes = try await scope.store.bytes(key)
        try expect(bytes: bytes, are: uniform(bytes.count / 1000 - 150), "the object left")
        let info = try await scope.store.info(key)
        let matching = infos.filter { $0.version == info.version && $0.digest == info.digest }
        try expect(matching.count, is: 1, "the number of puts that told the version and digest that is left")
    }

    private static func oneDelete(_ scope: ConformanceScope) async throws {
        let info = try await scope.put("object")
        let found = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 { group.addTask { try await scope.store.delete(info.key) } }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        try expect(found, is: 1, "the number of deletes that found the object")
        try await scope.expectNothing(at: info.key, after: "racing deletes")
    }

    private static func manyKeys(_ scope: ConformanceScope) async throws {
        let keys = try (0..<40).map { try scope.key(String(sortable: $0)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, key) in keys.enumerated() {
                group.addTask { try await scope.store.put(key, ObjectBody("\(number)")) }
            }
            try await group.waitForAll()
        }
        for (number, key) in keys.enumerated() { try expect(try await scope.text(key), is: "\(number)", "\(key)") }
        try expect(try await scope.store.list(ListQuery(prefix: scope.prefix)).keys, is: keys, "the keys listed")
    }
}

extension String {
    /// A number that sorts as it counts.
    init(sortable number: Int) {
        let digits = String(describing: number)
        self = String(repeating: "0", count: Swift.max(0, 5 - digits.utf8.count)) + digits
    }
}
