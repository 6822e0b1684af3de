import DequeModule
import Synchronization

/// A bounded queue between a library thread and one consuming task.
final class MessageQueue: Sendable {
    typealias Outcome = Result<NATSMessage?, NATSError>

    private struct State {
        var messages: Deque<NATSMessage> = []
        var waiter: UnsafeContinuation<Outcome, Never>?
        var waiterNumber: UInt64 = 0
        var givenUp: UInt64 = 0
        var dropped = 0
        var isFinished = false
        var failure: NATSError?

        mutating func takeWaiter() -> UnsafeContinuation<Outcome, Never>? {
            defer { waiter = nil }
            return waiter
        }
    }

    private enum Effect {
        case none
        case deliver(UnsafeContinuation<Outcome, Never>)
        case drop(NATSMessage)
        case fail
    }

    private let state = Mutex(State())
    private let capacity: Int
    private let overflow: NATSSubscription.Overflow
    private let onDrop: (@Sendable (NATSMessage) -> Void)?

    init(
        capacity: Int, overflow: NATSSubscription.Overflow, onDrop: (@Sendable (NATSMessage) -> Void)?
    ) {
        self.capacity = max(1, capacity)
        self.overflow = overflow
        self.onDrop = onDrop
    }

    var dropped: Int { state.withLock { $0.dropped } }
    var count: Int { state.withLock { $0.messages.count } }
    var isFinished: Bool { state.withLock { $0.isFinished && $0.messages.isEmpty } }

    /// Takes a message from the library; called on its delivery thread.
    func push(_ message: NATSMessage) {
        switch state.withLock({ Self.push(message, &$0, capacity, overflow) }) {
        case .none: break
        case .deliver(let waiter): waiter.resume(returning: .success(message))
        case .drop(let dropped): onDrop?(dropped)
        case .fail: finish(NATSError(.slowConsumer, "more than \(capacity) messages wait on “\(message.subject)”"))
        }
    }

    private static func push(
        _ message: NATSMessage, _ state: inout State, _ capacity: Int, _ overflow: NATSSubscription.Overflow
    ) -> Effect {
        guard !state.isFinished else { return .none }
        if let waiter = state.takeWaiter() { return .deliver(waiter) }
        guard state.messages.count >= capacity else {
            state.messages.append(message)
            return .none
        }
        state.dropped += 1
        switch overflow {
        case .dropNewest:
            return .drop(message)
        case .dropOldest:
            let oldest = state.messages.removeFirst()
            state.messages.append(message)
            return .drop(oldest)
        case .fail:
            return .fail
        }
    }

    /// No more messages come: what is queued is still given, then the end, or the error.
    func finish(_ error: NATSError?) {
        let waiter = state.withLock { state -> UnsafeContinuation<Outcome, Never>? in
            guard !state.isFinished else { return nil }
            state.isFinished = true
            state.failure = error
            return state.takeWaiter()
        }
        waiter?.resume(returning: error.map { .failure($0) } ?? .success(nil))
    }

    /// The next message; nil at the end, after `timeout`, or when the task is cancelled.
    func next(timeout: Duration?) async throws(NATSError) -> NATSMessage? {
        let number = state.withLock { state in
            state.waiterNumber &+= 1
            return state.waiterNumber
        }
        let timer = timeout.map { Timeouts.shared.schedule(after: $0) { self.giveUp(number) } }
        defer { if let timer { Timeouts.shared.cancel(timer) } }
        let outcome = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                if let outcome = wait(continuation, number) { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            giveUp(number)
        }
        return try outcome.get()
    }

    private func wait(_ continuation: UnsafeContinuation<Outcome, Never>, _ number: UInt64) -> Outcome? {
        state.withLock { state in
            if let message = state.messages.popFirst() { return .success(message) }
            if state.isFinished { return state.failure.map { .failure($0) } ?? .success(nil) }
            if state.givenUp == number { return .success(nil) }
            guard state.waiter == nil, state.waiterNumber == number else {
                return .failure(NATSError(.invalidArgument, "a subscription has one consumer"))
            }
            state.waiter = continuation
            return nil
        }
    }

    private func giveUp(_ number: UInt64) {
        let waiter = state.withLock { state -> UnsafeContinuation<Outcome, Never>? in
            guard state.waiterNumber == number else { return nil }
            // Timeout and cancellation may come before there is a waiter.
            state.givenUp = number
            return state.takeWaiter()
        }
        waiter?.resume(returning: .success(nil))
    }
}
