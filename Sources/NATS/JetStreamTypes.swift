/// A stream's settings, as JetStream's API has them; nil: the server's default. What this type does not know is tolerated
/// in answers.
public struct StreamConfiguration: Codable, Sendable, Hashable {
    /// Where messages lie.
    public enum Storage: String, Codable, Sendable { case file, memory }
    /// What happens when a limit is reached.
    public enum Discard: String, Codable, Sendable { case old, new }
    /// How messages are compressed on disk (2.10 and later).
    public enum Compression: String, Codable, Sendable { case none, s2 }
    /// Where in a cluster the stream lies.
    public struct Placement: Codable, Sendable, Hashable {
        /// The cluster's name.
        public var cluster: String?
        /// What the servers have to be tagged with, all of it.
        public var tags: [String]?

        /// A cluster, tags, or both.
        public init(cluster: String? = nil, tags: [String]? = nil) {
            self.cluster = cluster
            self.tags = tags
        }
    }

    /// Which stream another is a copy of.
    public struct Mirror: Codable, Sendable, Hashable {
        /// The origin.
        public var name: String

        /// The stream `name`.
        public init(name: String) {
            self.name = name
        }
    }

    /// Unique in the account; no space, `.`, `*`, `>`, `/` or `\`.
    public var name: String
    /// What it stores; a mirror has none. May hold wildcards.
    public var subjects: [String]?
    /// For people.
    public var description: String?
    /// `limits`, `interest` or `workqueue`: what makes messages leave.
    public var retention: String?
    /// Where messages lie; not to be changed.
    public var storage: Storage?
    /// On how many servers, 1…5.
    public var replicas: Int?
    /// How long messages stay, in nanoseconds; 0: for ever.
    public var maxAge: Int64?
    /// The most bytes of all messages together; -1: any number.
    public var maxBytes: Int?
    /// The most bytes of one message, headers included; -1: as many as the server takes.
    public var maxMessageSize: Int?
    /// What leaves, or is refused, at a limit.
    public var discard: Discard?
    /// How long message ids are remembered, in nanoseconds.
    public var duplicateWindow: Int64?
    /// Which servers hold it.
    public var placement: Placement?
    /// How messages are compressed.
    public var compression: Compression?
    /// Whether every replica answers reads of single messages.
    public var allowDirect: Bool?
    /// Whether a message may say with `Nats-Rollup` that it replaces those before it.
    public var allowRollup: Bool?
    /// Whether a message may say with `Nats-TTL` how long it lives (2.11 and later).
    public var allowMessageTTL: Bool?
    /// Whether messages may be stored in batches, all or none (2.12 and later).
    public var allowAtomicBatches: Bool?
    /// The stream that this one is a copy of.
    public var mirror: Mirror?
    /// Whether nothing can be changed any more, for ever.
    public var sealed: Bool?
    /// What is kept with the stream (2.10 and later).
    public var metadata: [String: String]?

    /// A stream with the server's defaults.
    public init(name: String, subjects: [String]? = nil) {
        self.name = name
        self.subjects = subjects
    }

    enum CodingKeys: String, CodingKey {
        case name, subjects, description, retention, storage, discard, placement, compression, mirror, sealed, metadata
        case replicas = "num_replicas"
        case maxAge = "max_age"
        case maxBytes = "max_bytes"
        case maxMessageSize = "max_msg_size"
        case duplicateWindow = "duplicate_window"
        case allowDirect = "allow_direct"
        case allowRollup = "allow_rollup_hdrs"
        case allowMessageTTL = "allow_msg_ttl"
        case allowAtomicBatches = "allow_atomic"
    }
}

/// A stream's settings and state.
public struct StreamInfo: Codable, Sendable {
    /// What the stream holds.
    public struct State: Codable, Sendable {
        /// How many there are.
        public var messages: UInt64
        /// What they take, headers included.
        public var bytes: UInt64
        /// Of the oldest message; of an empty stream one more than `lastSequence`.
        public var firstSequence: UInt64
        /// Of the newest message there ever was.
        public var lastSequence: UInt64
        /// Messages by subject, where a subjects filter asked for them.
        public var subjects: [String: UInt64]?

        enum CodingKeys: String, CodingKey {
            case messages, bytes, subjects
            case firstSequence = "first_seq"
            case lastSequence = "last_seq"
        }
    }

    /// Its settings.
    public var config: StreamConfiguration
    /// What it holds.
    public var state: State
    /// When the stream was created, as the server writes it.
    public var created: String?
    /// How many subjects there are over all pages, where a subjects filter asked for them.
    public var total: Int?
}

/// A consumer's settings, as JetStream's API has them; nil: the server's default.
public struct ConsumerConfiguration: Codable, Sendable {
    /// Unique in the stream.
    public var name: String?
    /// The same, for one that stays without readers.
    public var durableName: String?
    /// Which messages it delivers; nil: all. May hold wildcards.
    public var filterSubject: String?
    /// Several, in place of one (2.10 and later).
    public var filterSubjects: [String]?
    /// Where it begins: `all`, `last`, `new`, `last_per_subject`, `by_start_sequence`, `by_start_time`.
    public var deliverPolicy = "all"
    /// The first message, with `by_start_sequence`.
    public var startSequence: UInt64?
    /// The time of the first message, with `by_start_time`, as RFC 3339 has it.
    public var startTime: String?
    /// Whether messages have to be acknowledged: `none` or `explicit`.
    public var ackPolicy = "explicit"
    /// After how long a message is delivered again that was not acknowledged, in nanoseconds.
    public var ackWait: Int64?
    /// How often a message is delivered at most; -1: any number.
    public var maxDeliver: Int?
    /// How many may be delivered and not acknowledged.
    public var maxAckPending: Int?
    /// Where messages are pushed to; nil: they are pulled.
    public var deliverSubject: String?
    /// Whether the server waits for a slow reader of pushed messages.
    public var flowControl: Bool?
    /// After how long without a message the server says that it is there, in nanoseconds.
    public var idleHeartbeat: Int64?
    /// Whether payloads are left out.
    public var headersOnly: Bool?
    /// How long the consumer outlives its last reader, in nanoseconds.
    public var inactiveThreshold: Int64?
    /// Whether its state is kept in memory alone.
    public var memoryStorage: Bool?
    /// On how many servers its state is; 0: as the stream.
    public var replicas: Int?
    /// `instant`, or `original`: at the pace at which messages came.
    public var replayPolicy = "instant"

    /// An explicit-acknowledgement consumer of the whole stream.
    public init() {}

    enum CodingKeys: String, CodingKey {
        case name
        case durableName = "durable_name"
        case filterSubject = "filter_subject"
        case filterSubjects = "filter_subjects"
        case deliverPolicy = "deliver_policy"
        case startSequence = "opt_start_seq"
        case startTime = "opt_start_time"
        case ackPolicy = "ack_policy"
        case ackWait = "ack_wait"
        case maxDeliver = "max_deliver"
        case maxAckPending = "max_ack_pending"
        case deliverSubject = "deliver_subject"
        case flowControl = "flow_control"
        case idleHeartbeat = "idle_heartbeat"
        case headersOnly = "headers_only"
        case inactiveThreshold = "inactive_threshold"
        case memoryStorage = "mem_storage"
        case replicas = "num_replicas"
        case replayPolicy = "replay_policy"
    }
}

/// What the server says of a consumer.
public struct ConsumerInfo: Codable, Sendable {
    /// The consumer's name.
    public var name: String
    /// How many messages there are for it still.
    public var pending: UInt64
    /// How many were delivered and are not acknowledged.
    public var unacknowledged: UInt64?
    /// Its settings, as far as the server knows them.
    public var config: ConsumerConfiguration?

    enum CodingKeys: String, CodingKey {
        case name, config
        case pending = "num_pending"
        case unacknowledged = "num_ack_pending"
    }
}
