import DequeModule
import NATS
import Synchronization

/// Notices that wait for one output; bounded, for one reader.
final class NoticeQueue: Sendable {
    private struct State {
        var waiting: Deque<Notice> = []
        /// Taken and not settled.
        var inFlight = 0
        /// When there is no more trying.
        var deadline: ContinuousClock.Instant?
        var isFinishing = false
        var isClosed = false
        var reader: UnsafeContinuation<Void, Never>?
        /// A timer will wake the reader.
        var isTimed = false
    }

    /// Nobody waits for a notice of a read: its reader is woken for several at once, after about so long or when there
    /// are so many. A write is told at once, before another component tells of the next write of its key.
    private static let pause: Duration = .milliseconds(5)
    private static let several = 64

    private let state = Mutex(State())
    private let capacity: Int
    private let window: Int

    /// Room for `capacity` notices, of which `window` may be taken at a time.
    init(capacity: Int, window: Int) {
        self.capacity = capacity
        self.window = window
    }

    /// False: there is no room, or nobody reads any more. Somebody waits for a notice with a receipt, and there are
    /// bounds on how many do: it always finds room.
    func append(_ notice: Notice) -> Bool {
        enum Effect {
            case refused, none, wake(UnsafeContinuation<Void, Never>?), wakeLater
        }
        let effect = state.withLock { state -> Effect in
            let hasRoom = notice.receipt != nil || state.waiting.count + state.inFlight < capacity
            guard hasRoom, !state.isClosed else { return .refused }
            state.waiting.append(notice)
            guard state.reader != nil, state.inFlight < window else { return .none }
            let isAwaited = notice.isOfWrite || notice.receipt != nil
            let isUrgent = isAwaited || state.deadline != nil || state.waiting.count >= Self.several
            if isUrgent { return .wake(state.reader.take()) }
            guard !state.isTimed else { return .none }
            state.isTimed = true
            return .wakeLater
        }
        switch effect {
        case .refused: return false
        case .none: break
        case .wake(let reader): reader?.resume()
        case .wakeLater: _ = Timeouts.shared.schedule(after: Self.pause) { [weak self] in self?.wake() }
        }
        return true
    }

    private func wake() {
        let reader = state.withLock { state -> UnsafeContinuation<Void, Never>? in
            state.isTimed = false
            return state.waiting.isEmpty || state.inFlight >= window ? nil : state.reader.take()
        }
        reader?.resume()
    }

    /// Some notices, as soon as there are any and fewer than the window are in flight; nil at the end.
    func next() async -> [Notice]? {
        while true {
            let taken = state.withLock { state -> [Notice] in
                let count = min(state.waiting.count, window - state.inFlight)
                guard count > 0 else { return [] }
                let taken = Array(state.waiting.prefix(count))
                state.waiting.removeFirst(count)
                state.inFlight += count
                return taken
            }
            if !taken.isEmpty { return taken }
            guard await waitForMore() else { return nil }
        }
    }

    /// False at the end.
    private func waitForMore() async -> Bool {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isReady = state.withLock { state in
                if !Self.mustWait(state, window) { return true }
                state.reader = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
        return state.withLock { !$0.waiting.isEmpty || !$0.isFinishing }
    }

    private static func mustWait(_ state: borrowing State, _ window: Int) -> Bool {
        if state.waiting.isEmpty { return !state.isFinishing }
        return state.inFlight >= window
    }

    /// One that was taken is out, or given up.
    func settle() {
        let reader = state.withLock { state -> UnsafeContinuation<Void, Never>? in
            state.inFlight -= 1
            return state.waiting.isEmpty ? nil : state.reader.take()
        }
        reader?.resume()
    }

    /// What is there, and what still comes, has until `deadline`.
    func hurry(until deadline: ContinuousClock.Instant) {
        state.withLock { state in
            if state.deadline == nil { state.deadline = deadline }
        }
        wake()
    }

    /// No more come.
    func finish() {
        let reader = state.withLock { state -> UnsafeContinuation<Void, Never>? in
            state.isFinishing = true
            return state.reader.take()
        }
        reader?.resume()
    }

    /// Whether the time for what is left is over.
    var isOverdue: Bool {
        state.withLock { $0.deadline.map { $0 < .now } ?? false }
    }

    /// Takes what nobody will read; nothing finds room after that.
    func close() -> Deque<Notice> {
        state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return state.waiting
        }
    }
}
