import Storage
import StorageLayers
import TestSupport
import Testing

@Suite struct FaultyStoreTests {
    private let base = MemoryStore()

    private func store(_ adjust: (inout Faults) -> Void) -> FaultyStore {
        var faults = Faults()
        adjust(&faults)
        return FaultyStore(base, faults)
    }

    /// Which of `count` infos fail.
    private func failures(_ store: FaultyStore, _ count: Int) async -> [Int] {
        var failed: [Int] = []
        for number in 1...count {
            do throws(StorageError) {
                _ = try await store.info("k")
            } catch {
                if error.kind != .notFound { failed.append(number) }
            }
        }
        return failed
    }

    @Test func everyNthFails() async {
        #expect(await failures(store { $0.failEvery = 3 }, 10) == [3, 6, 9])
        #expect(await failures(store { $0.failEvery = 1 }, 3) == [1, 2, 3])
        #expect(await failures(store { $0.failEvery = 0 }, 3) == [])
    }

    @Test func chancesComeFromTheSeed() async {
        let first = await failures(store { $0.failProbability = 0.3 }, 1000)
        #expect((200...400).contains(first.count))
        #expect(await failures(store { $0.failProbability = 0.3 }, 1000) == first)
        let other = store { faults in
            faults.failProbability = 0.3
            faults.seed = 2
        }
        #expect(await failures(other, 1000) != first)
        #expect(await failures(store { $0.failProbability = 1 }, 10).count == 10)
        #expect(await failures(store { $0.failProbability = 0 }, 10).count == 0)
    }

    @Test func theErrorIsTheOneGiven() async {
        let store = store { faults in
            faults.failEvery = 1
            faults.error = StorageError(.throttled, "slow down")
            faults.operations = [.put]
        }
        let error = await #expect(throws: StorageError.self) { try await store.put("k", ObjectBody("x")) }
        #expect(error?.kind == .throttled && error?.operation == .put && error?.key == "k")
        #expect(await failures(store, 3) == [])
    }

    @Test func beforeNothingHappensAndAfterEverythingHas() async throws {
        for (moment, expected) in [(Faults.Moment.before, []), (.after, ["k"] as [ObjectKey])] {
            let store = store { faults in
                faults.failEvery = 1
                faults.moment = moment
            }
            await #expect(throws: StorageError.self) { try await store.put("k", ObjectBody("x")) }
            #expect(try await base.list(ListQuery()).keys == expected)
        }
    }

    @Test func bodiesAreCutShort() async throws {
        let content = bytes(10_000)
        try await base.put("k", ObjectBody(content))
        for count in [0, 1, 9_999] {
            let ending = store { $0.cut = .ending(after: count) }
            #expect(try await ending.bytes("k") == Array(content.prefix(count)))
            let failing = store { $0.cut = .failing(after: count) }
            var found: [UInt8] = []
            let error = await #expect(throws: StorageError.self) {
                for try await chunk in try await failing.get("k").body { found += chunk }
            }
            #expect(error?.kind == .unavailable && found == Array(content.prefix(count)))
        }
        #expect(try await store { $0.cut = .failing(after: 10_000) }.bytes("k") == content)
    }

    @Test func operationsAreDelayed() async throws {
        let store = store { $0.latency = .milliseconds(50) }
        let start = ContinuousClock.now
        try await store.put("k", ObjectBody("x"))
        _ = try await store.info("k")
        #expect(ContinuousClock.now - start >= .milliseconds(100))
        let slow = self.store { $0.latency = .seconds(60) }
        let waiting = Task { try await slow.info("k") }
        waiting.cancel()
        await #expect { try await waiting.value } throws: { ($0 as? StorageError)?.kind == .cancelled }
    }
}
