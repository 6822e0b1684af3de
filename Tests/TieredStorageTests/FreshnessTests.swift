import Storage
import StorageLayers
import TestSupport
import Testing
import TieredStorage

/// How fresh reads are beside other processes, after crashes, and while tiers fail.
@Suite struct FreshnessTests {
    private let tiers = Tiers()

    @Test func aCrashBetweenTiersHealsOnTheNextRead() async throws {
        try await tiers.store().put("k", ObjectBody("one"))
        // Cold has the next version; the process ended before the others heard of it.
        try await tiers.cold.put("k", ObjectBody("two"))
        let store = tiers.store()
        #expect(try await store.text("k") == ("two", .cold))
        #expect(try await tiers.hot.bytes("k") == Array("two".utf8))
        #expect(try await tiers.warm.bytes("k") == Array("two".utf8))
        #expect(try await store.text("k") == ("two", .hot))
    }

    @Test func copiesFromBeforeARestartAreServedWhenColdConfirmsThem() async throws {
        try await tiers.store().put("k", ObjectBody("one"))
        let store = tiers.store()
        #expect(try await store.text("k") == ("one", .hot))
        try await tiers.cold.delete("gone")
        try await tiers.hot.put("gone", ObjectBody("x"))
        await #expect(throws: StorageError.self) { try await store.get("gone") }
        #expect(await tiers.holders(of: "gone") == [])
    }

    @Test func otherProcessesAreSeenWithinTheTimeGiven() async throws {
        let store = tiers.store { $0.revalidateAfter = .seconds(10) }
        try await store.put("k", ObjectBody("one"))
        try await tiers.cold.put("k", ObjectBody("two"))
        tiers.clock.advance(9)
        #expect(try await store.text("k") == ("one", .hot))
        tiers.clock.advance(1)
        #expect(try await store.info("k").version == tiers.cold.info("k").version)
        #expect(try await store.text("k") == ("two", .cold))
        #expect(try await store.text("k") == ("two", .hot))
        // Confirmed, a copy is good for as long again.
        tiers.clock.advance(10)
        #expect(try await store.text("k") == ("two", .hot))
        try await tiers.cold.delete("k")
        tiers.clock.advance(9)
        #expect(try await store.text("k") == ("two", .hot))
        tiers.clock.advance(1)
        await #expect(throws: StorageError.self) { try await store.get("k") }
    }

    @Test func aClockThatIsSetBackMakesNoCopyYounger() async throws {
        let store = tiers.store { $0.revalidateAfter = .seconds(10) }
        try await store.put("k", ObjectBody("one"))
        try await tiers.cold.put("k", ObjectBody("two"))
        tiers.clock.set(by: -3600)
        #expect(try await store.text("k") == ("one", .hot))
        tiers.clock.advance(10)
        #expect(try await store.info("k").version == tiers.cold.info("k").version)
        #expect(try await store.text("k").text == "two")
    }

    private func held(_ cold: Held) -> TieredStore {
        var options = TieredStore.Options()
        (options.promotion, options.revalidateAfter) = (.eager, .seconds(10))
        return TieredStore(
            hot: .init(tiers.hot), warm: nil, cold: cold, options: options, now: tiers.clock.now,
            instant: tiers.clock.instant)
    }

    private func startSlowRead(_ store: TieredStore, _ cold: Held) async -> Task<String, any Error> {
        cold.holdNext()
        let read = Task { try await store.text("k").text }
        while !cold.holds { await Task.yield() }
        return read
    }

    /// A read that takes long brings what is old by then.
    @Test func aSlowReadTakesNothingBack() async throws {
        let cold = Held(tiers.cold)
        let store = held(cold)
        try await tiers.cold.put("k", ObjectBody("one"))
        let slow = await startSlowRead(store, cold)
        // By another process.
        try await tiers.cold.put("k", ObjectBody("two"))
        #expect(try await store.text("k") == ("two", .cold))
        cold.release()
        #expect(try await slow.value == "one")
        for _ in 0..<3 { #expect(try await store.text("k").text == "two") }
    }

    /// Nor what another client was told to be gone.
    @Test(arguments: [true, false]) func aSlowReadTakesNothingBackThatIsGone(_ isGotten: Bool) async throws {
        let cold = Held(tiers.cold)
        let store = held(cold)
        try await tiers.cold.put("k", ObjectBody("one"))
        let slow = await startSlowRead(store, cold)
        try await tiers.cold.delete("k")
        await #expect(throws: StorageError.self) {
            if isGotten { _ = try await store.get("k") } else { _ = try await store.info("k") }
        }
        cold.release()
        #expect(try await slow.value == "one")
        for _ in 0..<3 { await #expect(throws: StorageError.self) { try await store.get("k") } }
    }

    @Test func aSlowReadTakesNothingBackThatARefusalTold() async throws {
        let cold = Held(tiers.cold)
        let store = held(cold)
        let first = try await tiers.cold.put("k", ObjectBody("one"))
        let slow = await startSlowRead(store, cold)
        try await tiers.cold.put("k", ObjectBody("two"))
        await #expect(throws: StorageError.self) {
            try await store.info("k", options: InfoOptions(ifMatch: first.version))
        }
        cold.release()
        #expect(try await slow.value == "one")
        for _ in 0..<3 { #expect(try await store.text("k").text == "two") }
    }

    @Test func howLongAReadTookCounts() async throws {
        let cold = Held(tiers.cold)
        let store = held(cold)
        try await tiers.cold.put("k", ObjectBody("one"))
        let slow = await startSlowRead(store, cold)
        tiers.clock.advance(9)
        cold.release()
        #expect(try await slow.value == "one")
        #expect(try await store.text("k") == ("one", .hot))
        try await tiers.cold.put("k", ObjectBody("two"))
        tiers.clock.advance(1)
        #expect(try await store.text("k").text == "two")
    }

    @Test func aCopyOfACopyIsAsOld() async throws {
        let store = tiers.store { $0.revalidateAfter = .seconds(10) }
        for way in ["read", "promoted"] {
            try await store.put("k", ObjectBody("one"))
            await store.evict("k", from: .hot)
            tiers.clock.advance(9)
            if way == "read" { #expect(try await store.text("k") == ("one", .warm)) }
            if way == "promoted" { #expect(try await store.promote("k", to: .hot)) }
            #expect(try await store.text("k") == ("one", .hot))
            try await tiers.cold.put("k", ObjectBody("two"))
            tiers.clock.advance(1)
            #expect(try await store.text("k").text == "two", "\(way)")
        }
    }

    /// Each put has an id of its own then, which cold can't have known.
    @Test func copiesOfWhatIsPutByRetriesAreServed() async throws {
        let tiered = TieredStore(hot: .init(tiers.hot), cold: Recorder(tiers.cold))
        let store = RetryingStore(tiered)
        try await store.put("k", ObjectBody("one"))
        #expect(tiered.residence(of: "k").tiers.contains(.hot))
        // Tried again it is the same id.
        var faults = Faults()
        (faults.failEvery, faults.moment, faults.operations) = (1, .after, [.put])
        var options = RetryOptions()
        (options.maxAttempts, options.baseDelay) = (2, .milliseconds(1))
        let losing = RetryingStore(FaultyStore(tiered, faults), options)
        await #expect(throws: StorageError.self) { try await losing.put("k", ObjectBody("two")) }
        #expect(!tiered.residence(of: "k").tiers.contains(.hot))
        #expect(try await tiered.text("k").text == "two")
    }

    @Test func whatAListTellsIsReadFromThenOn() async throws {
        let store = tiers.store()
        try await store.put("k", ObjectBody("one"))
        let info = try await tiers.cold.put("k", ObjectBody("two"))
        #expect(try await store.list(ListQuery(details: true)).objects == [info])
        #expect(try await store.text("k").text == "two")
    }

    @Test func aColdTierThatCanNotBeWatchedIsRefused() async throws {
        let store = TieredStore(hot: .init(tiers.hot), cold: Chunked(tiers.cold))
        let error = await #expect(throws: StorageError.self) { try await store.follow() }
        #expect(error?.kind == .unsupported && error?.operation == .watch)
        #expect(store.watcher == nil)
    }

    @Test func copiesServeWhileColdIsAway() async throws {
        let away = Switch()
        let store = TieredStore(hot: .init(tiers.hot), cold: Switched(tiers.cold, away))
        try await store.put("k", ObjectBody("one"))
        away.turn(on: true)
        #expect(try await store.text("k") == ("one", .hot))
        let error = await #expect(throws: StorageError.self) { try await store.put("k", ObjectBody("two")) }
        #expect(error?.kind == .unavailable)
        // Whether cold has it is not known now, so nobody can say what is current.
        await #expect(throws: StorageError.self) { try await store.get("k") }
        away.turn(on: false)
        #expect(try await store.text("k") == ("one", .hot))
    }

    @Test func tiersThatFailCostNothingButTime() async throws {
        let away = Switch()
        away.turn(on: true)
        let store = TieredStore(
            hot: .init(Switched(tiers.hot, away)), warm: .init(Switched(tiers.warm, away)), cold: tiers.cold)
        #expect(try await store.write("k", ObjectBody("one")).tiers == [.cold])
        #expect(try await store.text("k") == ("one", .cold))
        away.turn(on: false)
        #expect(try await store.write("k", ObjectBody("two")).tiers == [.hot, .warm, .cold])
        away.turn(on: true)
        #expect(try await store.write("k", ObjectBody("three")).tiers == [.cold])
        #expect(try await store.text("k") == ("three", .cold))
        away.turn(on: false)
        #expect(try await store.text("k") == ("three", .cold))
        #expect(try await store.delete("k"))
        #expect((store.statistics(of: .hot)?.failures ?? 0) > 0)
    }

    @Test func aCopyThatBreaksOffIsNotServedAgain() async throws {
        let content = bytes(5000)
        var faults = Faults()
        faults.cut = .failing(after: 1500)
        let store = TieredStore(hot: .init(FaultyStore(Chunked(tiers.hot), faults)), cold: tiers.cold)
        try await store.put("k", ObjectBody(content))
        let error = await #expect(throws: StorageError.self) { try await store.bytes("k") }
        #expect(error?.kind == .unavailable && error?.errorClass == .transient)
        let first = TieredStore(hot: .init(FaultyStore(Chunked(tiers.hot), cutAtOnce())), cold: tiers.cold)
        try await first.put("k", ObjectBody(content))
        // Before its first byte a body goes on from below.
        #expect(try await first.bytes("k") == content)
        // Or is to be read again, where another process has replaced it meanwhile: nobody asked for that version.
        let object = try await first.get("k")
        try await tiers.cold.put("k", ObjectBody("two"))
        let gone = await #expect(throws: StorageError.self) { try await object.body.collect(upTo: 5000) }
        #expect(gone?.kind == .unavailable && gone?.errorClass == .transient)
        #expect(try await first.text("k").text == "two")
    }

    private func cutAtOnce() -> Faults {
        var faults = Faults()
        faults.cut = .failing(after: 0)
        return faults
    }

    @Test func coldDecidesPreconditions() async throws {
        let store = tiers.store()
        let first = try await store.put("k", ObjectBody("one"), options: PutOptions(precondition: .absent))
        let second = try await tiers.cold.put("k", ObjectBody("two"))
        for precondition in [Precondition.absent, .matches(first.version)] {
            let error = await #expect(throws: StorageError.self) {
                try await store.put("k", ObjectBody("three"), options: PutOptions(precondition: precondition))
            }
            #expect(error?.currentVersion == second.version)
        }
        #expect(try await store.text("k").text == "two")
        let third = try await store.put(
            "k", ObjectBody("three"), options: PutOptions(precondition: .matches(second.version)))
        #expect(try await tiers.cold.info("k") == third)
    }

    @Test func aRepeatedMessageIDLeavesNoCopyOfWhatWasNotStored() async throws {
        let store = tiers.store()
        let options = PutOptions(messageID: "1")
        let first = try await store.put("k", ObjectBody("one"), options: options)
        #expect(try await store.text("k") == ("one", .hot))
        try await store.put("k", ObjectBody("two"))
        #expect(try await store.put("k", ObjectBody("one"), options: options) == first)
        #expect(try await store.text("k").text == "two")
        #expect(try await store.put("other", ObjectBody("other"), options: options) == first)
        await #expect(throws: StorageError.self) { try await store.get("other") }
        #expect(await tiers.holders(of: "other") == [])
    }
}
