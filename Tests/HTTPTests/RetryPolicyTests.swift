import HTTP
import Testing

@Suite struct RetryPolicyTests {
    @Test func waitsGrowAndAreSpread() {
        let policy = RetryPolicy(maxAttempts: 10, base: 0.1)
        for attempt in 1..<10 {
            let ceiling = min(20, 0.1 * Double(1 << attempt))
            let waits = (0..<5).compactMap { _ in policy.delay(after: attempt, nil) }
            #expect(waits.count == 5 && waits.allSatisfy { $0 >= .zero && $0 <= .seconds(ceiling) })
            #expect(Set(waits).count > 1)
        }
    }

    @Test func theServersWishIsKept() throws {
        let delay = try #require(RetryPolicy(maxAttempts: 3).delay(after: 1, .seconds(30)))
        #expect(delay >= .seconds(30))
    }

    @Test func attemptsAndBudgetEnd() {
        let policy = RetryPolicy(maxAttempts: 3)
        #expect(policy.delay(after: 3, nil) == nil)
        var granted = 0
        while policy.delay(after: 1, nil) != nil, granted < 1000 { granted += 1 }
        #expect(granted == 100)
        // Ten successes pay for one more.
        for _ in 0..<9 { policy.succeeded() }
        #expect(policy.delay(after: 1, nil) == nil)
        policy.succeeded()
        #expect(policy.delay(after: 1, nil) != nil)
        #expect(policy.delay(after: 1, nil) == nil)
    }
}
