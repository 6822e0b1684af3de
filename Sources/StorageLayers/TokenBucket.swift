import Storage

/// A rate with a burst: tokens come in steadily, up to a number, and are taken out.
///
/// What is taken may leave a debt; until it is paid nobody takes anything. So those who wait are served in the order of
/// their coming, and what is larger than the burst passes too.
struct TokenBucket {
    private let perSecond: Double
    private let burst: Double
    private var tokens: Double
    private var filled: ContinuousClock.Instant

    init(perSecond: Double, burst: Double, now: ContinuousClock.Instant) {
        self.perSecond = perSecond
        self.burst = burst
        tokens = burst
        filled = now
    }

    /// How long it is until `count` tokens are there.
    mutating func wait(for count: Double, now: ContinuousClock.Instant) -> Duration {
        refill(now)
        let missing = min(count, burst) - tokens
        return missing <= 0 ? .zero : .seconds(missing / perSecond)
    }

    /// Takes `count` tokens, whether they are there or not.
    mutating func take(_ count: Double) {
        tokens -= count
    }

    /// Gives back what was taken and not used.
    mutating func giveBack(_ count: Double) {
        tokens = min(burst, tokens + count)
    }

    private mutating func refill(_ now: ContinuousClock.Instant) {
        guard now > filled else { return }
        tokens = min(burst, tokens + (now - filled).seconds * perSecond)
        filled = now
    }
}
