import Synchronization

/// When to look for what no object refers to.
package final class CleaningSchedule: Sendable {
    /// How old it has to be.
    package let grace: Duration
    private let interval: Duration?
    private let next: Mutex<ContinuousClock.Instant>

    /// - Parameters:
    ///   - interval: nil: never.
    ///   - grace: how old what is removed has to be.
    package init(every interval: Duration?, grace: Duration) {
        self.interval = interval
        self.grace = grace
        // Components that start together do not clean together.
        next = Mutex(.now + (interval ?? .zero) * Double.random(in: 0.5..<1))
    }

    /// True once in each interval.
    package var isDue: Bool {
        guard let interval else { return false }
        return next.withLock { next in
            guard next <= .now else { return false }
            next = .now + interval
            return true
        }
    }
}
