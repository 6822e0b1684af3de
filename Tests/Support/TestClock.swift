package import Foundation
import Synchronization

/// A clock that stands still until it is set, so that no test depends on how fast it runs.
package final class TestClock: Sendable {
    private let time: Mutex<Date>
    private let passed = Mutex(ContinuousClock.now)

    /// - Parameter start: by default the present, to a second.
    package init(_ start: Date = Date(timeIntervalSince1970: Date.now.timeIntervalSince1970.rounded())) {
        time = Mutex(start)
    }

    /// What stores take as their clock.
    package var now: @Sendable () -> Date { { self.time.withLock { $0 } } }

    /// What stores take as the clock that nobody sets.
    package var instant: @Sendable () -> ContinuousClock.Instant { { self.passed.withLock { $0 } } }

    package func advance(_ seconds: Double) {
        set(by: seconds)
        passed.withLock { $0 += .seconds(seconds) }
    }

    /// Sets it without any time passing.
    package func set(by seconds: Double) { time.withLock { $0.addTimeInterval(seconds) } }
}
