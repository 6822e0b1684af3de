import NATS
import TestSupport
import Testing

@Suite struct FlightBudgetTests {
    private let budget = FlightBudget(timeout: .seconds(60))

    private func waits(_ count: Int) async throws {
        try await eventually("not \(count) wait") { budget.figures.waiting == count }
    }

    @Test func roomIsGivenInTheOrderOfAsking() async throws {
        let first = try await budget.start(3 << 20)
        async let large = budget.start(2 << 20)
        try await waits(1)
        // There is room for it, but another one came before.
        async let small = budget.start(1 << 20)
        try await waits(2)
        budget.end(first, isStored: true)
        for flight in [try await large, try await small] { budget.end(flight, isStored: true) }
        #expect(budget.figures.inFlight == 0 && budget.figures.waiting == 0)
    }

    @Test func whatIsLargerThanTheBudgetGoesAlone() async throws {
        let first = try await budget.start(1)
        async let huge = budget.start(100 << 20)
        try await waits(1)
        budget.end(first, isStored: true)
        let flight = try await huge
        async let last = budget.start(1)
        try await waits(1)
        budget.end(flight, isStored: true)
        budget.end(try await last, isStored: true)
    }

    @Test func whoGivesUpHoldsNobodyUp() async throws {
        let first = try await budget.start(3 << 20)
        let large = Task { try await budget.start(2 << 20) }
        try await waits(1)
        async let small = budget.start(1 << 20)
        try await waits(2)
        large.cancel()
        await #expect { try await large.value } throws: { ($0 as? NATSError)?.code == .cancelled }
        budget.end(try await small, isStored: true)
        #expect(budget.figures.inFlight == 3 << 20)
        budget.end(first, isStored: true)
        let cancelled = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await budget.start(1)
        }
        // It need not wait.
        budget.end(try await cancelled.value, isStored: true)
        #expect(budget.figures.inFlight == 0)
    }

    @Test func itGrowsAndHalves() async throws {
        for _ in 0..<20 {
            for flight in try await together(3) { budget.end(flight, isStored: true) }
            for flight in try await together(budget.figures.limit >> 20) { budget.end(flight, isStored: true) }
        }
        #expect(budget.figures.limit == 16 << 20)
        var flights: [FlightBudget.Flight] = []
        for _ in 0..<16 { flights.append(try await budget.start(1 << 20)) }
        // Those that were on their way together tell one thing.
        for flight in flights { budget.end(flight, isStored: false) }
        #expect(budget.figures.limit == 8 << 20)
        for flight in try await together(8) { budget.end(flight, isStored: true) }
        // By about one message in a round trip from here on.
        #expect((8 << 20..<10 << 20).contains(budget.figures.limit) && budget.figures.limit > 8 << 20)
        for _ in 0..<10 { budget.end(try await budget.start(1), isStored: false) }
        #expect(budget.figures.limit == 1 << 20)
        #expect(budget.figures.inFlight == 0)
    }

    /// Small ones one after the other tell nothing of how much may be on its way at once.
    @Test func whatIsFarFromTheLimitDoesNotRaiseIt() async throws {
        for _ in 0..<100 { budget.end(try await budget.start(1 << 20), isStored: true) }
        #expect(budget.figures.limit == 4 << 20)
        let first = try await budget.start(3 << 20)
        async let waiting = budget.start(2 << 20)
        try await waits(1)
        budget.end(first, isStored: true)
        #expect(budget.figures.limit > 4 << 20)
        budget.end(try await waiting, isStored: true)
    }

    /// So many mebibytes, each on its own, at once.
    private func together(_ count: Int) async throws -> [FlightBudget.Flight] {
        var flights: [FlightBudget.Flight] = []
        for _ in 0..<count { flights.append(try await budget.start(1 << 20)) }
        return flights
    }

    @Test func whatComesLateHalvesItToo() async throws {
        let budget = FlightBudget(timeout: .milliseconds(4))
        let flight = try await budget.start(1)
        try await Task.sleep(for: .milliseconds(5))
        budget.end(flight, isStored: true)
        #expect(budget.figures.limit == 2 << 20)
    }
}
