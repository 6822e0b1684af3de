import Synchronization
import Waiting

/// Pulls from a durable consumer, ahead of its reader; for one reader.
public final class PullConsumer: Sendable {
    /// How long the server keeps a pull that it can't fill.
    private static let expiry: Duration = .seconds(30)
    /// How often the server says that it still knows of a pull.
    private static let heartbeat: Duration = .seconds(1)
    /// After this much silence the pull is lost.
    private static let silence: Duration = .seconds(3)

    private let stream: JetStream
    private let subject: String
    private let subscription: NATSSubscription
    private let window: Int
    /// How many messages were asked for and did not come yet.
    private let requested = Mutex(0)
    /// What the server said behind messages that were given first.
    private let refusal = Mutex<NATSError?>(nil)

    init(_ stream: JetStream, subject: String, subscription: NATSSubscription, window: Int) {
        self.stream = stream
        self.subject = subject
        self.subscription = subscription
        self.window = window
    }

    /// How few places are too few to ask for.
    private var least: Int { max(1, window / 4) }

    /// How many places the reader should have free before it asks again: messages come in batches.
    public var roomWanted: Int { requested.withLock { $0 > 0 ? 1 : least } }

    /// Whether it was stopped and has given everything.
    public var isFinished: Bool { subscription.isFinished }

    /// Waits for messages and gives those that are there; none now and then, and none at the end.
    ///
    /// - Parameter room: how many messages the reader can take: more are not asked for.
    /// - Throws: `timeout` after a silence of three seconds, `status` where the server refuses or the consumer is gone;
    ///   calling again asks again.
    public func next(room: Int) async throws(NATSError) -> [DeliveredMessage] {
        if let refusal = refusal.withLock({ $0.take() }) { throw refusal }
        try await ask(room)
        guard let first = try await subscription.next(timeout: Self.silence) else {
            if subscription.isFinished || Task.isCancelled { return [] }
            forget()
            throw NATSError(.timeout, "the server does not answer pulls on “\(subject)”")
        }
        var messages: [DeliveredMessage] = []
        var refused = take(first, into: &messages)
        while refused == nil, messages.count < room, subscription.pendingCount > 0,
            let next = try await subscription.next()
        {
            refused = take(next, into: &messages)
        }
        if let refused, messages.isEmpty { throw refused }
        refusal.withLock { $0 = refused }
        return messages
    }

    private func ask(_ room: Int) async throws(NATSError) {
        let count = requested.withLock { requested in
            let missing = room - requested
            guard missing >= least || requested == 0 && missing > 0 else { return 0 }
            requested += missing
            return missing
        }
        guard count > 0, !subscription.isFinished else { return }
        let (expiry, heartbeat) = (Self.expiry.milliseconds * 1_000_000, Self.heartbeat.milliseconds * 1_000_000)
        let query = "{\"batch\":\(count),\"expires\":\(expiry),\"idle_heartbeat\":\(heartbeat)}"
        do throws(NATSError) {
            try await stream.connection.publish(subject, payload: Array(query.utf8), reply: subscription.subject)
        } catch {
            forget()
            throw error
        }
    }

    private func take(_ message: NATSMessage, into messages: inout [DeliveredMessage]) -> NATSError? {
        guard let status = message.status else {
            requested.withLock { $0 = max(0, $0 - 1) }
            if let delivered = DeliveredMessage(message, stream.connection) { messages.append(delivered) }
            return nil
        }
        if status == 100 { return nil }
        // A pull ended before it was filled.
        let left = message.headers.first("Nats-Pending-Messages").flatMap { Int($0) }
        requested.withLock { requested in
            requested = left.map { max(0, requested - $0) } ?? 0
        }
        if status == 404 || status == 408 { return nil }
        return NATSError(.status(status), "pulling from “\(subject)”: \(message.statusDescription ?? "refused")")
    }

    private func forget() { requested.withLock { $0 = 0 } }

    /// Ends the pulling: ``next(room:)`` still gives what came before. What is not acknowledged comes again.
    public func stop() async { await subscription.unsubscribe() }
}
