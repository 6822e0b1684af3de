public import NATS

/// A source of messages that an instance stores, each under a key, and passes on as references.
public struct InputConfiguration: Sendable {
    /// Where messages come from.
    public enum Source: Sendable, Hashable {
        /// What is published to a subject; the components of the instance share it as a queue group.
        case core(subject: String)
        /// What a stream holds on some of its subjects (none: all), by a durable consumer that all components of the
        /// instance share.
        case stream(String, subjects: [String] = [], durable: String)
    }

    /// What is stored in the order of its arrival.
    public enum Order: Sendable, Hashable {
        /// Nothing: whatever is ready first.
        case none
        /// Messages of one key.
        case key
    }

    /// What makes two messages the same, which stores once.
    public enum Deduplication: Sendable, Hashable {
        /// The header `Nats-Msg-Id`.
        case id
        /// The bytes.
        case digest
        /// Nothing: only a message that is delivered again is the same.
        case none
    }

    /// Where messages come from.
    public var source: Source
    /// How many messages may be worked on at once.
    public var maxInFlight = 256
    /// What is stored in order.
    public var order = Order.none
    /// What makes two messages the same.
    public var deduplication = Deduplication.id
    /// Where a message goes that can never be stored; nil: nowhere.
    public var deadLetter: String?
    /// Where a stream's new consumer begins.
    public var deliver = DurableConsumer.Deliver.all
    /// After how long a message of a stream comes again that nobody has dealt with.
    public var ackWait: Duration = .seconds(30)
    /// How many attempts a message has; nil: any number for a stream's, five for others.
    public var maxDeliver: Int?
    /// The pauses between attempts; the last one stays.
    public var backoff: [Duration] = [.seconds(1), .seconds(5), .seconds(30)]

    /// The messages of `source`.
    public init(_ source: Source) {
        self.source = source
    }

    /// The pause after the attempt of this number, from 1 on.
    func pause(after attempt: Int) -> Duration {
        backoff.isEmpty ? .seconds(1) : backoff[min(max(1, attempt), backoff.count) - 1]
    }
}
