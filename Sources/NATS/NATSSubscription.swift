import Waiting

/// The messages of one subscription, in order, for one reader.
///
/// Letting go of it unsubscribes.
public final class NATSSubscription: AsyncSequence, Sendable {
    public typealias Element = NATSMessage
    public typealias Failure = NATSError

    /// What happens to a message for which there is no room.
    public enum Overflow: Sendable {
        /// It is dropped and counted.
        case dropNewest
        /// The one that waited longest is dropped and counted.
        case dropOldest
        /// The sequence ends with `slowConsumer`.
        case fail
    }

    /// The subject subscribed to.
    public let subject: String
    private let messages: MessageQueue
    private let handle: any SubscriptionHandle
    private let connection: NATSConnection

    init(subject: String, messages: MessageQueue, handle: any SubscriptionHandle, connection: NATSConnection) {
        self.subject = subject
        self.messages = messages
        self.handle = handle
        self.connection = connection
    }

    /// How many messages were dropped so far.
    public var dropped: Int { messages.dropped }

    /// How many messages wait for the reader.
    public var pendingCount: Int { messages.count }

    /// Whether nothing will come any more.
    public var isFinished: Bool { messages.isFinished }

    /// The next message; nil at the end, after `timeout`, or when the task is cancelled.
    ///
    /// - Throws: `permission` where the server forbids the subject, `slowConsumer` after an overflow with `fail`.
    public func next(timeout: Duration? = nil) async throws(NATSError) -> NATSMessage? {
        try await messages.next(timeout: timeout)
    }

    /// Stops receiving: the sequence ends after what is queued.
    public func unsubscribe() async {
        let handle = handle
        await offPool { handle.unsubscribe() }
        messages.finish(nil)
    }

    /// Tells the server to send no more, and waits for what it sent before: the sequence ends after that. While the
    /// server is away it ends after what is queued.
    public func drain() async {
        guard connection.state != .reconnecting else { return await unsubscribe() }
        let handle = handle
        if await offPool({ handle.drain() }) { return }
        messages.finish(nil)
    }

    /// Reads the messages in order.
    public struct AsyncIterator: AsyncIteratorProtocol {
        public typealias Failure = NATSError

        let subscription: NATSSubscription

        /// The next message, or nil at the end.
        public func next() async throws(NATSError) -> NATSMessage? {
            try await subscription.next()
        }
    }

    /// An iterator; there must be only one at a time.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(subscription: self)
    }
}
