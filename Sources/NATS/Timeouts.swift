import Dispatch
import Synchronization

/// All timeouts of the process in one sweep of 10 ms, idle while there are none: a timer per request costs more than
/// the request.
package final class Timeouts: Sendable {
    package static let shared = Timeouts()

    private struct Entry {
        let deadline: ContinuousClock.Instant
        let action: @Sendable () -> Void
    }

    private struct State {
        var entries: [UInt64: Entry] = [:]
        var nextToken: UInt64 = 0
        var isSweeping = false
    }

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "nats.timeouts")

    /// Runs `action` once, soon after `delay`, unless it is cancelled before.
    package func schedule(after delay: Duration, _ action: @escaping @Sendable () -> Void) -> UInt64 {
        let entry = Entry(deadline: .now + delay, action: action)
        let (token, starts) = state.withLock { state in
            state.nextToken &+= 1
            state.entries[state.nextToken] = entry
            defer { state.isSweeping = true }
            return (state.nextToken, !state.isSweeping)
        }
        if starts { sweepLater() }
        return token
    }

    /// Forgets the action; no effect where it ran already.
    package func cancel(_ token: UInt64) {
        state.withLock { _ = $0.entries.removeValue(forKey: token) }
    }

    private func sweepLater() {
        queue.asyncAfter(deadline: .now() + .milliseconds(10)) { self.sweep() }
    }

    private func sweep() {
        let now = ContinuousClock.now
        let (due, goesOn) = state.withLock { state in
            let due = state.entries.filter { $0.value.deadline <= now }
            for token in due.keys { state.entries[token] = nil }
            state.isSweeping = !state.entries.isEmpty
            return (due.values.map(\.action), state.isSweeping)
        }
        due.forEach { $0() }
        if goesOn { sweepLater() }
    }
}
