package import Encodings
import FoundationEssentials

/// JetStream over a connection: streams, stored messages, acknowledged publishing.
public struct JetStream: Sendable {
    /// The connection that everything goes over.
    public let connection: NATSConnection
    /// How long a request may take.
    public let timeout: Duration
    let prefix: String

    /// JetStream in `domain`, or in the account's own.
    public init(_ connection: NATSConnection, domain: String? = nil, timeout: Duration = .seconds(5)) {
        self.connection = connection
        self.timeout = timeout
        prefix = domain.map { "$JS.\($0).API" } ?? "$JS.API"
    }

    /// Publishes and waits until the message is stored.
    ///
    /// - Throws: `noResponders` where no stream takes the subject, `api` where the stream refuses, `timeout` (the
    ///   message may be stored then).
    public func publish(
        _ subject: String, headers: NATSHeaders = [:], payload: [UInt8] = [], timeout: Duration? = nil
    ) async throws(NATSError) -> PublishAck {
        let reply = try await connection.request(
            subject, headers: headers, payload: payload, timeout: timeout ?? self.timeout)
        return try PublishAck(reply, of: subject)
    }

    /// Publishes and waits until the message is stored, though the calling task be cancelled.
    ///
    /// - Throws: as ``publish(_:headers:payload:timeout:)``.
    public func publishToTheEnd(_ message: Publication) async throws(NATSError) -> PublishAck {
        let pending = try connection.start(
            message.subject, headers: message.headers, payload: message.payload, timeout: timeout)
        let reply = try await pending.settled().get()
        try reply.refuseStatus(from: message.subject)
        return try PublishAck(reply, of: message.subject)
    }

    /// Creates a stream; an existing one of the same settings is fine.
    public func createStream(_ configuration: StreamConfiguration) async throws(NATSError) -> StreamInfo {
        try await call("STREAM.CREATE.\(configuration.name)", configuration)
    }

    /// Changes some of a stream's settings; the others stay, those too that this program does not know.
    ///
    /// Not atomic: what another client changes between the read and the write is lost.
    package func updateStream(
        _ stream: String, _ change: (inout [String: JSONValue]) -> Void
    ) async throws(NATSError) -> StreamInfo {
        struct Answer: Decodable {
            var config: [String: JSONValue]
        }
        var answer: Answer = try await call("STREAM.INFO.\(stream)", Empty())
        change(&answer.config)
        return try await call("STREAM.UPDATE.\(stream)", answer.config)
    }

    /// The names of the streams that take `subject`, all pages of them.
    public func streamNames(subject: String? = nil) async throws(NATSError) -> [String] {
        var names: [String] = []
        try await forEachStream("STREAM.NAMES", subject: subject) { names.append($0) }
        return names
    }

    /// The names of the streams that mirror `stream`, in the same account.
    public func mirrors(of stream: String) async throws(NATSError) -> [String] {
        struct Listed: Decodable {
            let config: StreamConfiguration
        }
        var mirrors: [String] = []
        try await forEachStream("STREAM.LIST") { (listed: Listed) in
            if listed.config.mirror?.name == stream { mirrors.append(listed.config.name) }
        }
        return mirrors
    }

    /// What the server's list gives of each stream, all pages of it.
    private func forEachStream<Listed: Decodable>(
        _ list: String, subject: String? = nil, _ visit: (Listed) -> Void
    ) async throws(NATSError) {
        var count = 0
        while true {
            let page: StreamPage<Listed> = try await call(list, StreamQuery(subject: subject, offset: count))
            let streams = page.streams ?? []
            streams.forEach(visit)
            count += streams.count
            if streams.isEmpty || count >= page.total { return }
        }
    }

    /// The stream's settings and state, with the subjects that match `subjectsFilter`, all pages of them.
    public func streamInfo(_ stream: String, subjectsFilter: String? = nil) async throws(NATSError) -> StreamInfo {
        struct Query: Encodable {
            let subjects_filter: String?
            let offset: Int?
        }
        let first = Query(subjects_filter: subjectsFilter, offset: nil)
        var info: StreamInfo = try await call("STREAM.INFO.\(stream)", first)
        while let total = info.total, let known = info.state.subjects?.count, known < total {
            let next = Query(subjects_filter: subjectsFilter, offset: known)
            let page: StreamInfo = try await call("STREAM.INFO.\(stream)", next)
            guard let more = page.state.subjects, !more.isEmpty else { break }
            info.state.subjects?.merge(more) { _, new in new }
            if info.state.subjects?.count == known { break }
        }
        return info
    }

    /// Deletes a stream and everything in it.
    public func deleteStream(_ stream: String) async throws(NATSError) {
        let _: Success = try await call("STREAM.DELETE.\(stream)", Empty())
    }

    /// Removes the messages of `filter`; how many there were.
    public func purge(_ stream: String, filter: String) async throws(NATSError) -> Int {
        let subject = "\(prefix).STREAM.PURGE.\(stream)"
        var query = JSONWriter()
        query.object { $0.field("filter", filter) }
        let reply = try await connection.request(subject, payload: query.bytes, timeout: timeout)
        var purged = 0
        try reply.readAnswer(subject) { name, scanner throws(JSONScanner.Malformed) in
            if name == "purged" { purged = try scanner.integer() } else { try scanner.skip() }
        }
        return purged
    }

    /// Removes one message.
    public func deleteMessage(_ stream: String, sequence: UInt64) async throws(NATSError) {
        struct Query: Encodable {
            let seq: UInt64
        }
        let _: Success = try await call("STREAM.MSG.DELETE.\(stream)", Query(seq: sequence))
    }

    /// Which stored message is meant.
    public enum MessageSelector: Sendable {
        /// The one with this number in the stream.
        case sequence(UInt64)
        /// The newest on a subject, which may hold wildcards.
        case lastBySubject(String)
        /// The first on a subject at or after a sequence.
        case nextBySubject(String, startSequence: UInt64)
    }

    /// One stored message; nil where there is none.
    ///
    /// - Parameter direct: whether any replica may answer, faster and perhaps late; otherwise the leader does. The
    ///   stream must allow direct access.
    public func message(
        _ stream: String, _ selector: MessageSelector, direct: Bool
    ) async throws(NATSError) -> StoredMessage? {
        try await startMessage(stream, selector, direct: direct).value()
    }

    /// Asks for a stored message and returns at once.
    public func startMessage(
        _ stream: String, _ selector: MessageSelector, direct: Bool
    ) throws(NATSError) -> PendingMessage {
        let subject = "\(prefix).\(direct ? "DIRECT" : "STREAM.MSG").GET.\(stream)"
        let reply = try connection.start(subject, payload: selector.query, timeout: timeout)
        return PendingMessage(reply: reply, subject: subject, isDirect: direct)
    }

    /// Creates a consumer.
    public func createConsumer(
        _ stream: String, _ configuration: ConsumerConfiguration
    ) async throws(NATSError) -> ConsumerInfo {
        struct Query: Encodable {
            let stream_name: String
            let config: ConsumerConfiguration
        }
        let subject = configuration.durableName.map { "CONSUMER.DURABLE.CREATE.\(stream).\($0)" }
        let query = Query(stream_name: stream, config: configuration)
        return try await call(subject ?? "CONSUMER.CREATE.\(stream)", query)
    }

    /// What the server says of a consumer.
    public func consumerInfo(_ stream: String, _ name: String) async throws(NATSError) -> ConsumerInfo {
        try await call("CONSUMER.INFO.\(stream).\(name)", Empty())
    }

    /// Deletes a consumer.
    public func deleteConsumer(_ stream: String, _ name: String) async throws(NATSError) {
        let _: Success = try await call("CONSUMER.DELETE.\(stream).\(name)", Empty())
    }

    /// At most `limit` publishes at once, and no more than there is room for in `budget`; each is acknowledged.
    ///
    /// - Parameter stream: where what the server refuses because too much came at once is to be sent again.
    public func publishWindow(
        limit: Int, budget: FlightBudget? = nil, repeatingIn stream: String? = nil
    ) -> PublishWindow {
        PublishWindow(self, limit: limit, budget: budget, name: stream)
    }

    private func call<Answer: Decodable>(
        _ operation: String, _ query: some Encodable
    ) async throws(NATSError) -> Answer {
        let subject = "\(prefix).\(operation)"
        let reply = try await connection.request(subject, payload: try Self.encode(query), timeout: timeout)
        return try Self.decode(Answer.self, from: reply, subject)
    }

    private static func encode(_ value: some Encodable) throws(NATSError) -> [UInt8] {
        do {
            return Array(try JSONEncoder().encode(value))
        } catch {
            throw NATSError(.internalError, "encoding a JetStream request: \(error)")
        }
    }

    fileprivate static func decode<Answer: Decodable>(
        _ type: Answer.Type, from reply: NATSMessage, _ subject: String
    ) throws(NATSError) -> Answer {
        try reply.readAnswer(subject) { _, scanner throws(JSONScanner.Malformed) in try scanner.skip() }
        if let answer = try? JSONDecoder().decode(type, from: Data(reply.payload)) { return answer }
        throw NATSError(.protocolViolation, "the answer to “\(subject)” is not what JetStream gives")
    }
}

/// A stored message that was asked for.
public struct PendingMessage: Sendable {
    private let reply: PendingReply
    private let subject: String
    private let isDirect: Bool

    init(reply: PendingReply, subject: String, isDirect: Bool) {
        self.reply = reply
        self.subject = subject
        self.isDirect = isDirect
    }

    /// The message; nil where there is none. For one caller.
    public func value() async throws(NATSError) -> StoredMessage? {
        guard let answer = try await answer() else { return nil }
        if isDirect { return try StoredMessage(direct: answer) }
        do {
            return try StoredMessage(JetStream.decode(MessageAnswer.self, from: answer, subject).message)
        } catch {
            if case .api(_, JetStreamErrorCode.noMessageFound) = error.code { return nil }
            throw error
        }
    }

    /// The message's bytes alone; nil where there is none. For one caller.
    public func payload() async throws(NATSError) -> [UInt8]? {
        isDirect ? try await answer()?.payload : try await value()?.payload
    }

    private func answer() async throws(NATSError) -> NATSMessage? {
        let reply = try await reply.value()
        if reply.status == 404 { return nil }
        try reply.refuseStatus(from: subject)
        return reply
    }

    /// Nobody waits for it any more.
    public func withdraw() { reply.withdraw() }
}

private struct Empty: Encodable {}

private struct StreamQuery: Encodable {
    let subject: String?
    let offset: Int
}

private struct StreamPage<Listed: Decodable>: Decodable {
    let total: Int
    let streams: [Listed]?
}

private struct Success: Decodable {
    let success: Bool
}

extension JetStream.MessageSelector {
    fileprivate var query: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            switch self {
            case .sequence(let sequence): writer.field("seq", sequence)
            case .lastBySubject(let subject): writer.field("last_by_subj", subject)
            case .nextBySubject(let subject, let startSequence):
                writer.field("next_by_subj", subject)
                writer.field("seq", startSequence)
            }
        }
        return writer.bytes
    }
}

struct MessageAnswer: Decodable {
    struct Message: Decodable {
        let subject: String
        let seq: UInt64
        let time: String
        let hdrs: String?
        let data: String?
    }
    let message: Message
}
