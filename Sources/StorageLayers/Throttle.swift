import Storage
import Synchronization

/// The buckets of a throttled store and what they did.
final class Throttle: Sendable {
    enum Direction: Sendable {
        case read, write
    }

    fileprivate struct State {
        var reads: TokenBucket?
        var writes: TokenBucket?
        var bytes: TokenBucket?
        var statistics = ThrottleStatistics()
    }

    let limitsBytes: Bool
    private let options: ThrottleOptions
    private let clock: LayerClock
    private let state: Mutex<State>

    init(_ options: ThrottleOptions, _ clock: LayerClock) {
        self.options = options
        self.clock = clock
        limitsBytes = options.bytesPerSecond != nil
        let now = clock.now()
        let burst = Double(max(1, options.burst))
        func perMinute(_ count: Int?) -> TokenBucket? {
            count.map { TokenBucket(perSecond: Double(max(1, $0)) / 60, burst: burst, now: now) }
        }
        var state = State()
        state.reads = perMinute(options.readsPerMinute)
        state.writes = perMinute(options.writesPerMinute)
        state.bytes = options.bytesPerSecond.map { count in
            TokenBucket(perSecond: Double(max(1, count)), burst: Double(max(1, count)), now: now)
        }
        self.state = Mutex(state)
    }

    var statistics: ThrottleStatistics { state.withLock { $0.statistics } }

    /// Waits until an operation may start.
    ///
    /// - Throws: `throttled` where it may not, or not soon enough; `cancelled`.
    func admit(_ direction: Direction) async throws(StorageError) {
        let wait = try state.withLock { (state) throws(StorageError) in try state.admit(direction, options, clock) }
        guard wait > .zero else { return }
        do throws(StorageError) {
            try await clock.sleep(wait)
        } catch {
            state.withLock { $0.giveBack(direction) }
            throw error
        }
    }

    /// Waits until the debt of earlier bytes is paid, and lets `count` more pass.
    func pass(_ count: Int) async throws(StorageError) {
        let wait = state.withLock { $0.pass(count, clock) }
        if wait > .zero { try await clock.sleep(wait) }
    }

    /// Counts `count` bytes that pass at once; those behind them wait.
    func charge(_ count: Int) {
        state.withLock { state in
            state.bytes?.take(Double(count))
            state.statistics.bytes += count
        }
    }
}

extension Throttle.State {
    mutating func admit(
        _ direction: Throttle.Direction, _ options: ThrottleOptions, _ clock: LayerClock
    ) throws(StorageError) -> Duration {
        direction == .read ? (statistics.reads += 1) : (statistics.writes += 1)
        let bucket = direction == .read ? reads : writes
        guard bucket != nil || bytes != nil else { return .zero }
        let now = clock.now()
        let wait = max(self.wait(direction, now), bytes?.wait(for: 0, now: now) ?? .zero)
        if wait > .zero {
            direction == .read ? (statistics.throttledReads += 1) : (statistics.throttledWrites += 1)
            guard options.whenExceeded == .wait, wait <= options.maxWait else {
                statistics.refusals += 1
                throw Self.refusal(direction, after: wait)
            }
            direction == .read ? (statistics.readDelay += wait) : (statistics.writeDelay += wait)
        }
        direction == .read ? reads?.take(1) : writes?.take(1)
        return wait
    }

    mutating func giveBack(_ direction: Throttle.Direction) {
        direction == .read ? reads?.giveBack(1) : writes?.giveBack(1)
    }

    mutating func pass(_ count: Int, _ clock: LayerClock) -> Duration {
        statistics.bytes += count
        guard bytes != nil else { return .zero }
        let wait = bytes?.wait(for: 0, now: clock.now()) ?? .zero
        bytes?.take(Double(count))
        statistics.byteDelay += wait
        return wait
    }

    private mutating func wait(_ direction: Throttle.Direction, _ now: ContinuousClock.Instant) -> Duration {
        switch direction {
        case .read: reads?.wait(for: 1, now: now) ?? .zero
        case .write: writes?.wait(for: 1, now: now) ?? .zero
        }
    }

    private static func refusal(_ direction: Throttle.Direction, after wait: Duration) -> StorageError {
        let what = direction == .read ? "reads" : "writes"
        let seconds = (wait.seconds * 1000).rounded(.up) / 1000
        var error = StorageError(
            .throttled, "\(what) are over the rate that this store is configured for; try again in \(seconds) s")
        error.retryAfter = wait
        return error
    }
}
