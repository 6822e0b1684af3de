import Logging
import NATS
import ServiceLifecycle
import Storage
import Synchronization

/// When a pipeline rests: while nothing succeeds, so that a fault that passes does not meet every message.
final class Pauses: Sendable {
    private struct State {
        /// Since the last success.
        var failures = 0
        var until = ContinuousClock.now
        var said: ContinuousClock.Instant?
    }

    /// So many failures in a row are no single message's.
    private static let bearable = 8

    private let state = Mutex(State())
    private let pause: Duration

    init(_ pause: Duration) {
        self.pause = pause
    }

    /// Whether there is no more waiting, since the pipeline stops.
    static var isOver: Bool { Task.isShuttingDownGracefully || Task.isCancelled }

    /// Sleeps; not beyond the beginning of a shutdown.
    static func sleep(_ duration: Duration) async {
        guard !isOver else { return }
        try? await cancelWhenGracefulShutdown { try await Task.sleep(for: duration) }
    }

    func succeeded() {
        state.withLock { $0.failures = 0 }
    }

    /// Whether to say so: at most once a second.
    func failed() -> Bool {
        let now = ContinuousClock.now
        return state.withLock { state in
            state.failures += 1
            if state.failures >= Self.bearable { state.until = now + pause }
            if let said = state.said, now - said < .seconds(1) { return false }
            state.said = now
            return true
        }
    }

    /// Returns when the pipeline may go on.
    func wait() async {
        let (until, now) = (state.withLock { $0.until }, ContinuousClock.now)
        if until > now { await Self.sleep(until - now) }
    }
}
