import NATS
import Synchronization

/// The messages of a stream that are worked on.
final class InFlight: Sendable {
    /// A stream that was made anew counts from 1 again.
    private struct Place: Hashable {
        let sequence: UInt64
        let time: Int64

        init(_ delivered: DeliveredMessage) {
            (sequence, time) = (delivered.message.sequence, delivered.nanoseconds)
        }
    }

    private struct Entry {
        let delivered: DeliveredMessage
        var signalled = ContinuousClock.now
    }

    private struct State {
        var entries: [Place: Entry] = [:]
        var reader: (wanted: Int, continuation: UnsafeContinuation<Void, Never>)?
    }

    private let state = Mutex(State())
    private let limit: Int

    /// At most `limit` of them.
    init(limit: Int) {
        self.limit = limit
    }

    /// False: it is worked on already; it was delivered again meanwhile, and what becomes of the first counts.
    func begin(_ delivered: DeliveredMessage) -> Bool {
        state.withLock { state in
            guard state.entries[Place(delivered)] == nil else { return false }
            state.entries[Place(delivered)] = Entry(delivered: delivered)
            return true
        }
    }

    func end(_ delivered: DeliveredMessage) {
        let reader = state.withLock { state -> UnsafeContinuation<Void, Never>? in
            state.entries[Place(delivered)] = nil
            guard let reader = state.reader, limit - state.entries.count >= reader.wanted else { return nil }
            state.reader = nil
            return reader.continuation
        }
        reader?.resume()
    }

    /// How many more there may be, as soon as that is at least `wanted`, and that at most the limit; for one reader.
    func room(_ wanted: Int) async -> Int {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isFree = state.withLock { state in
                if limit - state.entries.count >= wanted { return true }
                state.reader = (wanted, continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
        return state.withLock { limit - $0.entries.count }
    }

    /// Those that nothing was heard of for `interval`; from now on it was.
    func due(after interval: Duration) -> [DeliveredMessage] {
        let now = ContinuousClock.now
        return state.withLock { state in
            var due: [DeliveredMessage] = []
            for (place, entry) in state.entries where now - entry.signalled >= interval {
                state.entries[place]?.signalled = now
                due.append(entry.delivered)
            }
            return due
        }
    }
}
