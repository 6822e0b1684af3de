import DequeModule
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
    }

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
        let (isTaken, reader) = state.withLock { state -> (Bool, UnsafeContinuation<Void, Never>?) in
            let hasRoom = notice.receipt != nil || state.waiting.count + state.inFlight < capacity
            guard hasRoom, !state.isClosed else { return (false, nil) }
            state.waiting.append(notice)
            return (true, state.inFlight < window ? state.reader.take() : nil)
        }
        reader?.resume()
        return isTaken
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
    func settle(_ notice: Notice) {
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
    func close() -> [Notice] {
        state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return Array(state.waiting)
        }
    }
}
