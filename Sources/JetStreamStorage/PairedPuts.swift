import NATS
import Synchronization

/// Which puts publish their chunk and their meta message at once: all, while nobody else writes to the bucket at that
/// moment, and as long as the ids that the server has to keep for it are few.
final class PairedPuts: Sendable {
    private struct State {
        /// How many more may be paired before `renewal`.
        var left = 0
        var renewal = ContinuousClock.now
        /// How many are not, since others' messages came in between.
        var pause = 0
        var nextPause = 1
    }

    /// So many ids in the time that the server keeps each: about 10 MiB of its memory.
    private static let mostIDs = 1 << 16
    private static let longestPause = 1024

    private let window: Duration
    private let state = Mutex(State())

    /// Nil where it makes no sense: servers that agree on each message don't know yet that they have the first when they
    /// look at the second.
    init?(_ settings: StreamConfiguration) {
        guard settings.replicas ?? 1 == 1 else { return nil }
        window = .nanoseconds(settings.duplicateWindow ?? 120_000_000_000)
    }

    /// Whether the next put may be paired.
    func admit() -> Bool {
        let now = ContinuousClock.now
        return state.withLock { state in
            if state.pause > 0 {
                state.pause -= 1
                return false
            }
            if state.renewal <= now {
                state.renewal = now + window
                state.left = Self.mostIDs
            }
            state.left -= 1
            return state.left >= 0
        }
    }

    /// Another's message came in between: it cost a trip more instead of one less.
    func wasRefused() {
        state.withLock { state in
            state.pause = state.nextPause
            state.nextPause = min(state.nextPause * 2, Self.longestPause)
        }
    }

    func succeeded() { state.withLock { $0.nextPause = 1 } }
}
