import Storage
import StorageLayers
import Synchronization
import TestSupport
import Testing

@Suite struct ThrottledStoreTests {
    /// Time that passes only where somebody sleeps.
    private final class ManualClock: Sendable {
        let start = ContinuousClock.now
        let passed = Mutex(Duration.zero)

        var clock: LayerClock {
            LayerClock(now: { self.start + self.passed.withLock { $0 } }) { duration in
                try Task.checkCancellation()
                self.advance(duration)
            }
        }

        func advance(_ duration: Duration) {
            passed.withLock { $0 += duration }
        }

        var seconds: Double { passed.withLock { $0 } / .seconds(1) }
    }

    private let base = MemoryStore()
    private let time = ManualClock()

    private func throttled(_ adjust: (inout ThrottleOptions) -> Void) -> ThrottledStore {
        var options = ThrottleOptions()
        adjust(&options)
        return ThrottledStore(base, options, clock: time.clock)
    }

    private func isNear(_ value: Double, _ wanted: Double) -> Bool { abs(value - wanted) < 0.01 }

    @Test func readsAndWritesWaitForTheirOwnRates() async throws {
        let store = throttled {
            $0.readsPerMinute = 60
            $0.writesPerMinute = 30
            $0.burst = 3
        }
        for _ in 0..<3 { try await store.put("k", ObjectBody("x")) }
        for _ in 0..<3 { _ = try await store.info("k") }
        #expect(time.seconds == 0)
        for _ in 0..<5 { _ = try await store.get("k") }
        #expect(isNear(time.seconds, 5))
        // The writes' bucket has filled meanwhile.
        for _ in 0..<2 { try await store.delete("k") }
        #expect(isNear(time.seconds, 5))
        try await store.put("k", ObjectBody("x"))
        _ = try await store.setMetadata("k", ObjectAttributes(), options: SetMetadataOptions())
        #expect(isNear(time.seconds, 8))
        let statistics = store.statistics
        #expect(statistics.reads == 8 && statistics.writes == 7)
        #expect(statistics.throttledReads == 5 && statistics.throttledWrites == 2 && statistics.refusals == 0)
        #expect(isNear(statistics.readDelay / .seconds(1), 5) && isNear(statistics.writeDelay / .seconds(1), 3))
    }

    @Test func aRefusalTellsWhenToComeAgain() async throws {
        let store = throttled {
            $0.writesPerMinute = 6
            $0.whenExceeded = .refuse
        }
        try await store.put("k", ObjectBody("x"))
        for _ in 0..<2 {
            let error = await #expect(throws: StorageError.self) { try await store.put("k", ObjectBody("y")) }
            #expect(error?.kind == .throttled && error?.errorClass == .transient && error?.key == "k")
            #expect(isNear((error?.retryAfter ?? .zero) / .seconds(1), 10))
        }
        #expect(try await store.bytes("k") == Array("x".utf8))
        time.advance(.milliseconds(10_001))
        try await store.put("k", ObjectBody("y"))
        #expect(store.statistics.refusals == 2 && store.statistics.throttledWrites == 2)
        #expect(store.statistics.reads == 1 && store.statistics.throttledReads == 0)
    }

    @Test func nobodyWaitsTooLong() async throws {
        let store = throttled {
            $0.readsPerMinute = 1
            $0.maxWait = .seconds(59)
        }
        _ = try await store.list(ListQuery())
        let error = await #expect(throws: StorageError.self) { try await store.list(ListQuery()) }
        #expect(error?.kind == .throttled)
        time.advance(.seconds(2))
        _ = try await store.list(ListQuery())
        #expect(isNear(time.seconds, 60))
    }

    @Test func whoeverIsCancelledGivesItsTurnBack() async throws {
        let store = throttled { $0.readsPerMinute = 60 }
        _ = try await store.list(ListQuery())
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await store.list(ListQuery())
        }
        await #expect { try await task.value } throws: { ($0 as? StorageError)?.kind == .cancelled }
        _ = try await store.list(ListQuery())
        #expect(isNear(time.seconds, 1))
    }

    @Test func bytesPassAtTheirRate() async throws {
        let store = throttled { $0.bytesPerSecond = 10_000 }
        let content = bytes(50_000)
        try await store.put("streamed", .stream(content))
        // A second's worth came at once; the last chunk is still to be paid for.
        #expect(isNear(time.seconds, 3.9))
        try await store.put("at hand", ObjectBody(content))
        #expect(isNear(time.seconds, 4))
        #expect(try await store.bytes("streamed") == content)
        #expect(isNear(time.seconds, 9))
        #expect(store.statistics.bytes == 150_000)
    }

    @Test func bodiesAreNotRefusedOnTheirWay() async throws {
        let store = throttled {
            $0.bytesPerSecond = 1000
            $0.whenExceeded = .refuse
        }
        try await store.put("k", .stream(bytes(10_000)))
        let error = await #expect(throws: StorageError.self) { try await store.info("k") }
        #expect(error?.kind == .throttled && error?.retryAfter ?? .zero > .zero)
        time.advance(error?.retryAfter ?? .zero)
        _ = try await store.info("k")
    }
}
