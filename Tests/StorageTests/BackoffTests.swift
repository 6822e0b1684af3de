import Storage
import Testing

@Suite struct BackoffTests {
    @Test func waitsGrowAndAreSpread() {
        let backoff = Backoff(maxAttempts: 20, base: .milliseconds(200), longest: .seconds(20))
        for attempt in 1..<20 {
            let ceiling = min(20, 0.2 * Double(1 << (attempt - 1)))
            let waits = (0..<5).compactMap { _ in backoff.delay(after: attempt) }
            #expect(waits.count == 5 && waits.allSatisfy { $0 >= .zero && $0 <= .seconds(ceiling) })
            #expect(Set(waits).count > 1)
        }
    }

    @Test func theServersWishIsKept() throws {
        let delay = try #require(Backoff(maxAttempts: 3).delay(after: 1, asked: .seconds(30)))
        #expect(delay >= .seconds(30))
    }

    @Test func attemptsAndBudgetEnd() {
        let backoff = Backoff(maxAttempts: 3)
        #expect(backoff.delay(after: 3) == nil)
        var granted = 0
        while backoff.delay(after: 1) != nil, granted < 1000 { granted += 1 }
        #expect(granted == 100)
        // Ten successes pay for one more.
        for _ in 0..<9 { backoff.succeeded() }
        #expect(backoff.delay(after: 1) == nil)
        backoff.succeeded()
        #expect(backoff.delay(after: 1) != nil)
        #expect(backoff.delay(after: 1) == nil)
    }
}
