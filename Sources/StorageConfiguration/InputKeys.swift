import Encodings
import FoundationEssentials
import NATS
import StorageService
import StorageWire

/// The keys of an input: a port that answers requests, or a source of messages to store.
struct InputKeys: Sendable {
    private enum Delivery: Sendable, Hashable {
        case request, core, jetStream
    }

    private enum Beginning: Sendable {
        case all, new, last, startTime
    }

    private(set) var port = Port.put
    private(set) var subjects: [String] = []
    private var delivery: Delivery?
    private var stream: String?
    private var durable: String?
    private var beginning = Beginning.all
    private var startTime: Date?
    private var input = InputConfiguration(.core(subject: ""))

    private static let ports = Port.allCases.filter { ![.events, .stored].contains($0) }
    private static let ofWrite = ["max_in_flight", "order", "deduplicate", "dead_letter", "max_deliver", "backoff"]
    private static let ofStream = ["stream", "durable", "deliver", "start_time", "ack_wait"]

    static let section = Section<InputKeys>(
        "Where requests or messages come from.",
        [
            Setting("name", .choice(ports.map(\.rawValue)), "Which port it is; write: messages to store.") {
                $1.port = try $0.choice(ports.map { ($0.rawValue, $0) })
            }.required,
            Setting("type", .choice(["request", "core", "jetstream"]), "How messages come.") {
                $1.delivery = try $0.choice([("request", .request), ("core", .core), ("jetstream", .jetStream)])
            },
            Setting("subject", .list(.text), "The subject; of write also several.") {
                // Parts of uploads come on subjects that begin with this one, and are told to clients.
                let mayHoldWildcards = $1.port != .upload
                $1.subjects = try $0.elements().map { try $0.subject(wildcards: mayHoldWildcards) }
            },
        ] + write + jetStream)

    private static let write: [Setting<InputKeys>] = [
        .integer("max_in_flight", \.maxInFlight, in: 1...16_384, "How many messages are stored at once."),
        .choice(
            "order", \.order, [("none", .none), ("key", .key)],
            "Whether messages of one key are stored in the order of their arrival."),
        .choice(
            "deduplicate", \.deduplication, [("id", .id), ("digest", .digest), ("none", .none)],
            "What makes two messages the same, which stores once: Nats-Msg-Id, or the bytes."),
        Setting("dead_letter", .text, "The subject where messages go that can never be stored.") {
            $1.deadLetter = try $0.text() == nil ? nil : $0.subject()
        },
        .integer(
            "max_deliver", \.maxDeliver, in: 1...1_000_000,
            "How many attempts a message has; else a stream's any number, others five."),
        Setting(
            "backoff", .list(.duration()), "The pauses between attempts; the last one stays.",
            initial: { $0.backoff.map(\.written).joined(separator: ", ") }
        ) {
            $1.backoff = try $0.elements().map { try $0.duration() }
        },
    ].map { (setting: Setting<InputConfiguration>) in setting.within(\.input) }

    private static let jetStream: [Setting<InputKeys>] = [
        Setting("stream", .text, "The stream.") { $1.stream = try $0.name() },
        Setting(
            "durable", .text, "The name of the stream's consumer, by which components share it; else storage-NAME."
        ) {
            $1.durable = try $0.name()
        },
        .choice(
            "deliver", \.beginning,
            [("all", .all), ("new", .new), ("last", .last), ("by_start_time", .startTime)],
            "Where a new consumer begins."),
        Setting("start_time", .text, "For by_start_time: when, as 2026-01-31T12:00:00Z.") { node, keys in
            guard let time = RFC3339.parse(try node.string()) else {
                throw node.failure("is no time such as 2026-01-31T12:00:00Z")
            }
            keys.startTime = time
        },
        Setting<InputConfiguration>.duration(
            "ack_wait", \.ackWait, "After how long a message comes again that nobody deals with."
        ).within(\.input),
    ]

    init() {}

    init(_ node: ConfigurationNode) throws {
        try Self.section.read(node, into: &self)
        try check(node)
    }

    /// Throws where what was read does not fit together.
    private func check(_ node: ConfigurationNode) throws {
        let known: [Delivery] = port == .write ? [.core, .jetStream] : [.request]
        guard delivery.map(known.contains) ?? true else {
            throw node.failure("this type does not fit port \(port.rawValue)")
        }
        if port != .write {
            try refuse(Self.ofWrite, in: node, "belongs to a write port")
            guard subjects.count < 2 else { throw node.failure("has more than one subject") }
        }
        guard delivery == .jetStream else {
            return try refuse(Self.ofStream, in: node, "belongs to a write port of type jetstream")
        }
        guard stream != nil else { throw node.failure("has no stream") }
        guard (beginning == .startTime) == (startTime != nil) else {
            throw node.failure("deliver: by_start_time and start_time need one another")
        }
        guard input.ackWait >= .seconds(1) else { throw node.failure("ack_wait is shorter than 1s") }
    }

    private func refuse(_ names: [String], in node: ConfigurationNode, _ reason: String) throws {
        for name in names { if let other = try node.field(name) { throw other.failure(reason) } }
    }

    /// The inputs that a write port stands for.
    func configurations(_ instance: InstanceConfiguration) -> [InputConfiguration] {
        var input = input
        if let stream {
            input.source = .stream(stream, subjects: subjects, durable: durable ?? "storage-\(instance.name)")
            input.deliver =
                switch beginning {
                case .all: .all
                case .new: .new
                case .last: .last
                case .startTime: .since(startTime ?? .distantPast)
                }
            return [input]
        }
        let usual = [Port.write.defaultSubject(instance: instance.name)]
        return (subjects.isEmpty ? usual : subjects).map { subject in
            input.source = .core(subject: subject)
            return input
        }
    }
}
