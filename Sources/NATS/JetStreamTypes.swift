/// A stream's settings. What this type does not know is tolerated in answers.
public struct StreamConfiguration: Codable, Sendable, Hashable {
    /// Where messages lie.
    public enum Storage: String, Codable, Sendable { case file, memory }
    /// What happens when a limit is reached.
    public enum Discard: String, Codable, Sendable { case old, new }
    /// How messages are compressed on disk (2.10 and later).
    public enum Compression: String, Codable, Sendable { case none, s2 }
    /// Where in a cluster the stream lies.
    public struct Placement: Codable, Sendable, Hashable {
        public var cluster: String?
        public var tags: [String]?

        /// A cluster, tags, or both.
        public init(cluster: String? = nil, tags: [String]? = nil) {
            self.cluster = cluster
            self.tags = tags
        }
    }

    /// Which stream another is a copy of.
    public struct Mirror: Codable, Sendable, Hashable {
        public var name: String

        /// The stream `name`.
        public init(name: String) {
            self.name = name
        }
    }

    public var name: String
    public var subjects: [String]?
    public var description: String?
    public var retention: String?
    public var storage: Storage?
    public var replicas: Int?
    /// In nanoseconds; 0: for ever.
    public var maxAge: Int64?
    public var maxBytes: Int?
    public var maxMessageSize: Int?
    public var discard: Discard?
    /// In nanoseconds.
    public var duplicateWindow: Int64?
    public var placement: Placement?
    public var compression: Compression?
    public var allowDirect: Bool?
    public var allowRollup: Bool?
    /// Whether a message may say with `Nats-TTL` how long it lives (2.11 and later).
    public var allowMessageTTL: Bool?
    /// Whether messages may be stored in batches, all or none (2.12 and later).
    public var allowAtomicBatches: Bool?
    /// The stream that this one is a copy of.
    public var mirror: Mirror?
    public var sealed: Bool?
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
        public var messages: UInt64
        public var bytes: UInt64
        public var firstSequence: UInt64
        public var lastSequence: UInt64
        /// Messages by subject, where a subjects filter asked for them.
        public var subjects: [String: UInt64]?

        enum CodingKeys: String, CodingKey {
            case messages, bytes, subjects
            case firstSequence = "first_seq"
            case lastSequence = "last_seq"
        }
    }

    public var config: StreamConfiguration
    public var state: State
    /// When the stream was created, as the server writes it.
    public var created: String?
    /// How many subjects there are over all pages, where a subjects filter asked for them.
    public var total: Int?
}

/// A consumer's settings.
public struct ConsumerConfiguration: Codable, Sendable {
    public var name: String?
    public var durableName: String?
    public var filterSubject: String?
    /// Several, in place of one (2.10 and later).
    public var filterSubjects: [String]?
    /// `all`, `last`, `new`, `last_per_subject`, `by_start_sequence`, `by_start_time`.
    public var deliverPolicy = "all"
    public var startSequence: UInt64?
    /// As RFC 3339 has it.
    public var startTime: String?
    /// `none` or `explicit`.
    public var ackPolicy = "explicit"
    /// In nanoseconds.
    public var ackWait: Int64?
    public var maxDeliver: Int?
    public var maxAckPending: Int?
    public var deliverSubject: String?
    public var flowControl: Bool?
    /// In nanoseconds.
    public var idleHeartbeat: Int64?
    public var headersOnly: Bool?
    /// In nanoseconds: how long the consumer outlives its reader.
    public var inactiveThreshold: Int64?
    public var memoryStorage: Bool?
    public var replicas: Int?
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
