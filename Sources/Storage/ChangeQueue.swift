import DequeModule
import Synchronization
import Waiting

/// Changes on their way to one watcher: bounded, never waiting for the reader.
///
/// What does not fit is dropped, counted, and told in its place as ``StoreChange/lagged(dropped:)``.
public final class ChangeQueue: Sendable {
    private typealias Outcome = Result<StoreChange?, StorageError>

    private struct State {
        var changes: Deque<StoreChange> = []
        var dropped = 0
        var waiter: CheckedContinuation<Outcome, Never>?
        /// What the reader gets when everything was read.
        var end: Outcome?

        mutating func take() -> Outcome? {
            if let change = changes.popFirst() { return .success(change) }
            guard dropped == 0 else {
                defer { dropped = 0 }
                return .success(.lagged(dropped: dropped))
            }
            return end
        }
    }

    private let state = Mutex(State())
    private let capacity: Int

    /// An empty queue of at most `capacity` changes, at least one.
    public init(capacity: Int) {
        self.capacity = max(1, capacity)
    }

    /// What was sent, in order, for one reader.
    public var changes: StoreChanges {
        StoreChanges { () async throws(StorageError) in try await self.next() }
    }

    /// Appends a change; nothing happens after the end. Whether it was dropped.
    @discardableResult
    public func send(_ change: StoreChange) -> Bool {
        let (waiter, isDropped) = state.withLock { state -> (CheckedContinuation<Outcome, Never>?, Bool) in
            guard state.end == nil else { return (nil, false) }
            if let waiter = state.waiter {
                state.waiter = nil
                return (waiter, false)
            }
            // Behind a gap nothing is told until the gap is.
            guard state.dropped == 0, state.changes.count < capacity else {
                state.dropped += 1
                return (nil, true)
            }
            state.changes.append(change)
            return (nil, false)
        }
        waiter?.resume(returning: .success(change))
        return isDropped
    }

    /// Ends it: what is queued is read still, then the end comes, or the error.
    public func finish(throwing error: StorageError? = nil) {
        let end: Outcome = error.map { .failure($0) } ?? .success(nil)
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            if state.end == nil { state.end = end }
            return state.waiter
        }
        waiter?.resume(returning: end)
    }

    private func next() async throws(StorageError) -> StoreChange? {
        try await untilResumed({ wait($0) }, onCancel: { giveUp() }).get()
    }

    private func wait(_ continuation: CheckedContinuation<Outcome, Never>) -> Outcome? {
        state.withLock { state in
            if let outcome = state.take() { return outcome }
            if Task.isCancelled { return .failure(.cancelled) }
            guard state.waiter == nil else {
                return .failure(StorageError(.invalid, "a watch has one reader at a time", operation: .watch))
            }
            state.waiter = continuation
            return nil
        }
    }

    private func giveUp() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: .failure(.cancelled))
    }
}

/// Gives each change to those who watch for it.
public final class ChangeHub: Sendable {
    private struct Watcher {
        let query: WatchQuery
        weak var queue: ChangeQueue?
    }

    private struct State {
        var watchers: [Watcher] = []
        var dropped = 0
        var isFinished = false
    }

    private let state = Mutex(State())

    /// A hub without watchers.
    public init() {}

    /// Whether anybody watches.
    public var isWatched: Bool {
        state.withLock { state in
            state.watchers.removeAll { $0.queue == nil }
            return !state.watchers.isEmpty
        }
    }

    /// How many changes were dropped, over all who watched.
    public var dropped: Int { state.withLock { $0.dropped } }

    /// What is sent from now on and what the query admits. Letting go of it ends it.
    public func watch(_ query: WatchQuery) -> ChangeQueue {
        let queue = ChangeQueue(capacity: query.capacity)
        let isFinished = state.withLock { state in
            state.watchers.removeAll { $0.queue == nil }
            state.watchers.append(Watcher(query: query, queue: queue))
            return state.isFinished
        }
        if isFinished { queue.finish() }
        return queue
    }

    /// Tells those whose query admits the change. Never waits, so it may be called under a lock.
    public func send(_ change: StoreChange) {
        state.withLock { state in
            for watcher in state.watchers where change.key.map(watcher.query.admits) ?? true {
                if watcher.queue?.send(change) == true { state.dropped += 1 }
            }
        }
    }

    /// Ends every watch, and those to come.
    public func finish() {
        let watchers = state.withLock { state in
            defer { state.watchers = [] }
            state.isFinished = true
            return state.watchers
        }
        for watcher in watchers { watcher.queue?.finish() }
    }
}
