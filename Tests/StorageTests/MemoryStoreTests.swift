import FoundationEssentials
import Storage
import Synchronization
import TestSupport
import Testing

@Suite struct MemoryStoreTests {
    let store = MemoryStore()
    let key: ObjectKey = "a/b"

    /// What outlives the process knows versions of its objects.
    @Test func storesHaveVersionsOfTheirOwn() async throws {
        let first = try await MemoryStore().put("k", ObjectBody("x"))
        let other = MemoryStore()
        try await other.put("k", ObjectBody("y"))
        let options = PutOptions(precondition: .matches(first.version))
        let error = await #expect(throws: StorageError.self) {
            try await other.put("k", ObjectBody("z"), options: options)
        }
        #expect(error?.kind == .preconditionFailed)
    }

    @Test func returnsWhatWasPut() async throws {
        let attributes = ObjectAttributes(contentType: "text/plain", metadata: ["X-a": ["1", "2"]])
        let info = try await store.put(key, ObjectBody("hello"), options: PutOptions(attributes: attributes))
        let object = try await store.get(key)
        #expect(object.info == info)
        #expect(object.info.attributes == attributes)
        #expect(info.digest == Digest(of: Array("hello".utf8)))
        #expect(try await store.bytes(key) == Array("hello".utf8))
    }

    @Test func missingObjects() async throws {
        await #expect { try await store.get(key) } throws: { ($0 as? StorageError)?.kind == .notFound }
        await #expect { try await store.info(key) } throws: { ($0 as? StorageError)?.kind == .notFound }
        #expect(try await store.delete(key) == false)
        #expect(try await store.list(ListQuery()) == ListPage())
    }

    @Test func oneOfManyCreatorsWins() async throws {
        let winners = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<64 {
                group.addTask {
                    let options = PutOptions(precondition: .absent)
                    return (try? await store.put(key, ObjectBody("\(number)"), options: options)) != nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(winners == 1)
    }

    @Test func compareAndSwapLosesNoIncrement() async throws {
        try await store.put(key, ObjectBody("0"))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<5 {
                group.addTask { for _ in 0..<10 { await increment() } }
            }
        }
        #expect(try await store.bytes(key) == Array("50".utf8))
    }

    private func increment() async {
        while true {
            guard let object = try? await store.get(key), let bytes = try? await object.body.collect(upTo: 100),
                let value = Int(String(decoding: bytes, as: UTF8.self))
            else { continue }
            let options = PutOptions(precondition: .matches(object.info.version))
            if (try? await store.put(key, ObjectBody("\(value + 1)"), options: options)) != nil { return }
        }
    }

    @Test func failedPreconditionTellsTheCurrentVersion() async throws {
        let info = try await store.put(key, ObjectBody("1"))
        let options = PutOptions(precondition: .matches(Version("none")))
        let error = await #expect(throws: StorageError.self) {
            try await store.put(key, ObjectBody("2"), options: options)
        }
        #expect(error?.kind == .preconditionFailed)
        #expect(error?.currentVersion == info.version)
        #expect(try await store.bytes(key) == Array("1".utf8))
    }

    @Test func wrongDigestAndWrongSizeStoreNothing() async throws {
        let options = PutOptions(expectedDigest: Digest(of: Array("other".utf8)))
        await #expect { try await store.put(key, ObjectBody("one"), options: options) } throws: {
            ($0 as? StorageError)?.kind == .digestMismatch
        }
        let body = ObjectBody(size: 5) { () async throws(StorageError) in nil }
        await #expect { try await store.put(key, body) } throws: { ($0 as? StorageError)?.kind == .invalid }
        #expect(try await store.list(ListQuery()).keys.isEmpty)
    }

    @Test func expiredObjectsAreGone() async throws {
        let clock = Mutex(Date(timeIntervalSince1970: 1000))
        let now: @Sendable () -> Date = { clock.withLock { $0 } }
        let store = MemoryStore(now: now)
        _ = try await store.put(key, ObjectBody("1"), options: PutOptions(timeToLive: .seconds(10)))
        #expect(try await store.info(key).expires == Date(timeIntervalSince1970: 1010))
        clock.withLock { $0 += 10 }
        await #expect { try await store.get(key) } throws: { ($0 as? StorageError)?.kind == .notFound }
        #expect(try await store.list(ListQuery()).keys.isEmpty)
        _ = try await store.put(key, ObjectBody("2"), options: PutOptions(precondition: .absent))
    }

    @Test func sameMessageIDStoresOnce() async throws {
        let first = try await store.put(key, ObjectBody("1"), options: PutOptions(messageID: "m"))
        let other: ObjectKey = "other"
        let second = try await store.put(other, ObjectBody("2"), options: PutOptions(messageID: "m"))
        #expect(first == second)
        #expect(try await store.list(ListQuery()).keys == [key])
    }

    @Test func messageIDsAreTheirBytes() async throws {
        for id in ["\u{e9}", "e\u{301}"] {
            let key = try ObjectKey(validating: "key-\(id.utf8.count)")
            #expect(try await store.put(key, ObjectBody("1"), options: PutOptions(messageID: id)).key == key)
        }
    }

    @Test func limitsRefuse() async throws {
        let store = MemoryStore(limits: .init(maxBytes: 10, maxEntries: 1, whenFull: .refuse))
        await #expect { try await store.put(key, ObjectBody("12345678901")) } throws: {
            ($0 as? StorageError)?.kind == .tooLarge
        }
        try await store.put(key, ObjectBody("1"))
        await #expect { try await store.put("b", ObjectBody("1")) } throws: {
            ($0 as? StorageError)?.kind == .unavailable
        }
        try await store.put(key, ObjectBody("1234567890"))
    }

    @Test func theLeastRecentlyUsedGoes() async throws {
        let evicted = Mutex<[ObjectKey]>([])
        let store = MemoryStore(
            limits: .init(maxBytes: 10, maxEntries: 3), onEviction: { info in evicted.withLock { $0.append(info.key) } }
        )
        for key: ObjectKey in ["a", "b", "c"] { try await store.put(key, ObjectBody("123")) }
        _ = try await store.get("a")
        try await store.put("d", ObjectBody("1"))
        #expect(evicted.withLock { $0 } == ["b"])
        // Written over: neither itself nor more than needed goes for it.
        try await store.put("c", ObjectBody("1234567"))
        #expect(evicted.withLock { $0 } == ["b", "a"])
        try await store.put("e", ObjectBody("1234567890"))
        #expect(evicted.withLock { $0 } == ["b", "a", "d", "c"])
        #expect(try await store.list(ListQuery()).keys == ["e"])
        let statistics = store.statistics
        #expect(statistics.entries == 1 && statistics.bytes == 10 && statistics.evictions == 4)
    }

    @Test func nothingGoesForAPutThatIsRefused() async throws {
        let store = MemoryStore(limits: .init(maxEntries: 1))
        try await store.put("a", ObjectBody("1"))
        let options = PutOptions(precondition: .matches(Version("none")))
        await #expect(throws: StorageError.self) { try await store.put("b", ObjectBody("2"), options: options) }
        #expect(try await store.list(ListQuery()).keys == ["a"])
    }

    @Test func expiredObjectsGoBeforeOthers() async throws {
        let clock = Mutex(Date(timeIntervalSince1970: 1000))
        let store = MemoryStore(limits: .init(maxEntries: 2), now: { clock.withLock { $0 } })
        _ = try await store.put("used", ObjectBody("1"))
        _ = try await store.put("expired", ObjectBody("1"), options: PutOptions(timeToLive: .seconds(5)))
        clock.withLock { $0 += 6 }
        try await store.put("new", ObjectBody("1"))
        #expect(try await store.list(ListQuery()).keys == ["new", "used"])
        #expect(store.statistics.evictions == 0)
    }

    @Test func expiredObjectsTakeNoMemory() async throws {
        let clock = Mutex(Date(timeIntervalSince1970: 1000))
        let store = MemoryStore(now: { clock.withLock { $0 } })
        for number in 0..<500 {
            let options = PutOptions(timeToLive: .seconds(number % 10 + 1))
            _ = try await store.put(try ObjectKey(validating: "k/\(number % 100)"), ObjectBody("1"), options: options)
        }
        #expect(store.statistics.entries == 100)
        clock.withLock { $0 += 5 }
        #expect(store.statistics.entries == 50)
        clock.withLock { $0 += 5 }
        #expect(store.statistics.entries == 0 && store.statistics.bytes == 0)
    }

    @Test func statisticsCount() async throws {
        try await store.put(key, ObjectBody("123"))
        try await store.put("b", ObjectBody("12345"))
        _ = try await store.get(key)
        _ = try await store.info(key)
        _ = try? await store.get("none")
        try await store.delete("b")
        try await store.delete("none")
        let statistics = store.statistics
        #expect(statistics.entries == 1 && statistics.bytes == 3 && statistics.puts == 2 && statistics.deletes == 1)
        #expect(statistics.hits == 2 && statistics.misses == 1 && statistics.evictions == 0)
    }

    @Test func setMetadataReplacesAttributesOnly() async throws {
        let before = try await store.put(key, ObjectBody("1"))
        let attributes = ObjectAttributes(contentType: "a/b")
        let after = try await store.setMetadata(key, attributes, options: SetMetadataOptions())
        #expect(after.attributes == attributes)
        #expect(after.version != before.version)
        #expect(after.digest == before.digest)
        #expect(try await store.bytes(key) == Array("1".utf8))
    }
}
