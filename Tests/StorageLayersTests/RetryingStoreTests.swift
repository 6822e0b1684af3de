import Storage
import StorageLayers
import Synchronization
import TestSupport
import Testing

@Suite struct RetryingStoreTests {
    /// A clock that only counts how long one would have slept.
    private final class Sleeps: Sendable {
        let all = Mutex<[Duration]>([])

        var clock: LayerClock {
            LayerClock(now: { .now }) { duration in
                try Task.checkCancellation()
                self.all.withLock { $0.append(duration) }
            }
        }
    }

    private let base = MemoryStore()
    private let sleeps = Sleeps()

    private func faults(_ adjust: (inout Faults) -> Void) -> Faults {
        var faults = Faults()
        adjust(&faults)
        return faults
    }

    private func retrying(_ store: any Store, _ adjust: (inout RetryOptions) -> Void = { _ in }) -> RetryingStore {
        var options = RetryOptions()
        adjust(&options)
        return RetryingStore(store, options, clock: sleeps.clock)
    }

    @Test func waitsAreRandomAndGrowUpToTheirBounds() async throws {
        let store = retrying(FaultyStore(base, faults { $0.failEvery = 1 })) {
            $0.maxAttempts = 10
            $0.baseDelay = .milliseconds(100)
            $0.maxDelay = .seconds(1)
        }
        for _ in 0..<8 { await #expect(throws: StorageError.self) { try await store.info("k") } }
        let waits = sleeps.all.withLock { $0 }
        #expect(waits.count == 8 * 9)
        for (index, wait) in waits.enumerated() {
            #expect(wait <= min(.seconds(1), .milliseconds(100) * (1 << (index % 9))))
        }
        #expect(Set(waits).count > 60)
        #expect(waits.contains { $0 > .milliseconds(300) })
    }

    @Test func onlyWhatIsTransientIsTriedAgain() async {
        for kind in StorageError.Kind.allCases {
            let probe = ProbeStore(
                FaultyStore(
                    base,
                    faults { faults in
                        faults.failEvery = 1
                        faults.error = StorageError(kind, "injected")
                    }))
            let error = await #expect(throws: StorageError.self) { try await retrying(probe).info("k") }
            #expect(error?.kind == kind)
            let isRetried = [.timeout, .throttled, .unavailable].contains(kind)
            #expect(probe.count == (isRetried ? 3 : 1), "\(kind)")
        }
    }

    @Test func theStoresOwnWaitIsKeptOrGivenUpOn() async {
        var error = StorageError(.throttled, "slow down")
        error.retryAfter = .seconds(3)
        let slow = FaultyStore(
            base,
            faults { [error] faults in
                faults.failEvery = 1
                faults.error = error
            })
        await #expect(throws: StorageError.self) { try await retrying(slow).info("k") }
        #expect(sleeps.all.withLock { $0.count == 2 && $0.allSatisfy { $0 >= .seconds(3) } })
        sleeps.all.withLock { $0 = [] }
        await #expect(throws: StorageError.self) {
            try await retrying(slow) { $0.maxDelay = .seconds(2) }.info("k")
        }
        #expect(sleeps.all.withLock { $0.isEmpty })
    }

    @Test func theBudgetIsForAllAndGrowsBySuccesses() async throws {
        let probe = ProbeStore(
            FaultyStore(
                base,
                faults { faults in
                    faults.failEvery = 1
                    faults.operations = [.info]
                }))
        let store = retrying(probe) {
            $0.maxAttempts = 3
            $0.budget = 4
        }
        for _ in 0..<10 { await #expect(throws: StorageError.self) { try await store.info("k") } }
        #expect(probe.count == 10 + 4)
        for _ in 0..<10 { _ = try await store.list(ListQuery()) }
        await #expect(throws: StorageError.self) { try await store.info("k") }
        #expect(probe.count == 14 + 10 + 2)
    }

    @Test func aWaitIsCancelled() async {
        let store = RetryingStore(FaultyStore(base, faults { $0.failEvery = 1 }), RetryOptions())
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await store.info("k")
        }
        await #expect { try await task.value } throws: { ($0 as? StorageError)?.kind == .cancelled }
    }

    // MARK: Writes whose acknowledgement is lost

    private func losing(_ store: any Store, _ kind: StorageError.Kind = .timeout) -> FaultyStore {
        FaultyStore(
            store,
            faults { faults in
                faults.failEvery = 2
                faults.moment = .after
                faults.operations = [.put, .delete, .setMetadata]
                faults.error = StorageError(kind, "injected")
            })
    }

    @Test func aCreateHappensOnceWhereTheStoreKnowsMessageIDs() async throws {
        let store = retrying(losing(base))
        for number in 0..<10 {
            let key = try ObjectKey(validating: "k\(number)")
            let info = try await store.put(key, ObjectBody("x"), options: PutOptions(precondition: .absent))
            #expect(try await base.info(key).version == info.version)
            let other = try await store.put(
                key, .stream([1, 2], size: 2), options: PutOptions(precondition: .matches(info.version)))
            #expect(try await base.info(key).version == other.version)
        }
        #expect(base.statistics.puts == 20)
        let error = await #expect(throws: StorageError.self) {
            try await store.put("k0", ObjectBody("x"), options: PutOptions(precondition: .absent))
        }
        #expect(error?.kind == .preconditionFailed)
    }

    @Test func anUndecidedWriteIsToldAsSuchWhereItDoesNot() async throws {
        let plain = ProbeStore(base, capabilities: [.createOnly, .compareAndSwap, .metadataUpdate], object: [])
        let store = retrying(losing(plain))
        let create = PutOptions(precondition: .absent)
        _ = try await store.put("a", ObjectBody("x"), options: create)
        let error = await #expect(throws: StorageError.self) {
            try await store.put("b", ObjectBody("x"), options: create)
        }
        let stored = try await base.info("b")
        #expect(error?.kind == .timeout && error?.errorClass == .conflict && error?.currentVersion == stored.version)
        // Every second one is lost: after a delete that is acknowledged, a swap that is not.
        let swap = SetMetadataOptions(precondition: .matches(stored.version))
        try await store.delete("a")
        let other = await #expect(throws: StorageError.self) {
            try await store.setMetadata("b", ObjectAttributes(contentType: "a/b"), options: swap)
        }
        #expect(other?.kind == .timeout && other?.errorClass == .conflict)
        #expect(try await base.info("b").attributes.contentType == "a/b")
    }

    @Test func aRefusalIsDecided() async throws {
        let plain = ProbeStore(base, capabilities: [.createOnly], object: [])
        try await base.put("k", ObjectBody("x"))
        let store = retrying(
            FaultyStore(
                plain,
                faults { faults in
                    faults.failEvery = 2
                    faults.error = StorageError(.throttled, "injected")
                }))
        _ = try await store.list(ListQuery())
        let error = await #expect(throws: StorageError.self) {
            try await store.put("k", ObjectBody("y"), options: PutOptions(precondition: .absent))
        }
        #expect(error?.kind == .preconditionFailed)
    }

    // MARK: Bodies

    @Test func aBodyThatWasReadIsNotPutAgain() async throws {
        let content = bytes(5000)
        let store = retrying(losing(base)) { $0.replayLimit = 5000 }
        try await store.put("warm", ObjectBody("x"))
        try await store.put("announced", .stream(content, size: 5000))
        #expect(try await base.bytes("announced") == content)
        try await store.put("warm", ObjectBody("x"))
        let error = await #expect(throws: StorageError.self) {
            try await store.put("endless", .stream(content, size: nil))
        }
        #expect(error?.kind == .timeout)
        let refusing = retrying(FaultyStore(base, faults { $0.failEvery = 2 }))
        _ = try await refusing.list(ListQuery())
        try await refusing.put("not begun", .stream(content, size: nil))
        #expect(try await base.bytes("not begun") == content)
    }

    @Test func aBrokenBodyGoesOnInTheSameVersion() async throws {
        let content = bytes(100_000)
        let probe = ProbeStore(base, object: content)
        // Each body breaks after 30,000 bytes, and the parts of it too.
        let store = retrying(FaultyStore(probe, faults { $0.cut = .failing(after: 30_000) }))
        #expect(try await store.bytes("k") == content)
        #expect(probe.operations == [.get, .get, .get, .get])
        let options = GetOptions(range: .bounded(first: 1000, last: 69_999))
        let part = try await store.get("k", options: options).body.collect(upTo: 100_000)
        #expect(part == Array(content[1000..<70_000]))
        let silent = retrying(FaultyStore(probe, faults { faults in faults.cut = .failing(after: 0) }))
        await #expect(throws: StorageError.self) { try await silent.bytes("k") }
    }
}
