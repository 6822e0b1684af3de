/// The messages of a stream on one filter, in order and without a gap, for one reader, for as long as it reads.
///
/// An ephemeral consumer with flow control and heartbeats; where a delivery is lost, the server falls silent or is
/// away, another takes over behind the last message that was read. What is under way is bounded by the server's flow
/// control. Letting go of it ends it.
public struct OrderedConsumer: Sendable {
    /// What comes next.
    public enum Event: Sendable {
        /// The next message.
        case message(StoredMessage)
        /// Everything that the stream held when this was asked for has been given.
        case caughtUp
        /// The stream was made anew: what was read before is void.
        case restarted
        /// Everything has been given and nothing came for a while.
        case idle
    }

    private struct Link {
        let subscription: NATSSubscription
        let name: String
        /// The stream's last message when this was asked for.
        let target: UInt64
        /// Counts the deliveries of this consumer.
        var received: UInt64 = 0
        /// How many there were when it last fell silent though there was more to come.
        var silentAt: UInt64?
    }

    /// Three heartbeats.
    private static let silence: Duration = .seconds(3)

    private let stream: JetStream
    private let name: String
    private let filter: String
    /// The last message that was read.
    public private(set) var lastSequence: UInt64
    /// When the stream was created that it is read from; nil before the first event.
    public private(set) var created: String?
    /// How many messages the server had still to send when it sent the last one.
    private var pending: UInt64 = 0
    private var link: Link?
    /// Whether the reader knows that it is caught up.
    private var isCaughtUp = false
    private var queued: [Event] = []

    init(_ stream: JetStream, name: String, filter: String, startSequence: UInt64) {
        self.stream = stream
        self.name = name
        self.filter = filter
        lastSequence = max(1, startSequence) - 1
    }

    /// The next event, in order.
    ///
    /// - Throws: `cancelled`, `connectionClosed`, or what keeps a consumer from being created: calling again tries again.
    public mutating func next() async throws(NATSError) -> Event {
        while true {
            if !queued.isEmpty { return queued.removeFirst() }
            if link == nil {
                try await open()
                continue
            }
            guard let message = try await receive() else { continue }
            if let event = try await event(of: message) { return event }
        }
    }

    /// Goes on behind `sequence`, with a new consumer.
    public mutating func resume(after sequence: UInt64) async {
        await stop()
        lastSequence = sequence
    }

    /// Ends it, on the server too where that can be reached.
    public mutating func stop() async {
        guard let link else { return }
        self.link = nil
        await link.subscription.unsubscribe()
        let (stream, name) = (stream, name)
        // Not cancelled with the caller. Where it does not get through the server does it after a while.
        await Task { try? await stream.deleteConsumer(name, link.name) }.value
    }

    private mutating func open() async throws(NATSError) {
        let inbox = stream.connection.newInbox()
        let subscription = try await stream.connection.subscribe(inbox, capacity: 1 << 20, overflow: .fail)
        let info = try await stream.streamInfo(name)
        let state = info.state
        defer { created = info.created }
        if state.lastSequence < lastSequence || created.map({ $0 != info.created }) ?? false {
            lastSequence = 0
            isCaughtUp = false
            queued.append(.restarted)
        }
        let consumer = try await stream.createConsumer(name, .ordered(filter, from: lastSequence + 1, into: inbox))
        link = Link(subscription: subscription, name: consumer.name, target: state.lastSequence)
        pending = consumer.pending
        if pending == 0 { catchUp() }
    }

    private mutating func catchUp() {
        guard !isCaughtUp else { return }
        isCaughtUp = true
        queued.append(.caughtUp)
    }

    /// Nil where the consumer was lost: another takes over.
    private mutating func receive() async throws(NATSError) -> NATSMessage? {
        guard let link else { return nil }
        do throws(NATSError) {
            if let message = try await link.subscription.next(timeout: Self.silence) { return message }
        } catch {
            guard error.code == .slowConsumer else { throw error }
        }
        if Task.isCancelled { throw NATSError(.cancelled, "reading stream “\(name)” was cancelled") }
        if stream.connection.state == .closed { throw NATSError(.connectionClosed, "the NATS connection is closed") }
        await stop()
        return nil
    }

    private mutating func event(of message: NATSMessage) async throws(NATSError) -> Event? {
        if let status = message.status {
            guard status == 100 else {
                await stop()
                return nil
            }
            return try await control(message)
        }
        guard let delivery = Delivery(message) else {
            throw NATSError(.protocolViolation, "a delivery on “\(message.subject)” does not say what it is")
        }
        // What was on its way when a connection broke is not sent again.
        guard delivery.consumerSequence == (link?.received ?? 0) + 1 else {
            await stop()
            return nil
        }
        link?.received += 1
        guard delivery.stored.sequence > lastSequence else { return nil }
        lastSequence = delivery.stored.sequence
        pending = delivery.pending
        // Among writers there may always be something pending.
        if pending == 0 || lastSequence >= link?.target ?? 0 { catchUp() }
        return .message(delivery.stored)
    }

    /// A heartbeat or a flow control request.
    private mutating func control(_ message: NATSMessage) async throws(NATSError) -> Event? {
        if let flowControl = message.reply ?? message.headers.first("Nats-Consumer-Stalled") {
            try await stream.connection.publish(flowControl)
            return nil
        }
        guard let link, let last = message.headers.first("Nats-Last-Consumer").flatMap({ UInt64($0) }) else {
            return nil
        }
        guard last <= link.received else {
            await stop()
            return nil
        }
        // What was still to come may have been replaced or removed meanwhile.
        if isCaughtUp, pending == 0 { return .idle }
        pending = try await stream.consumerInfo(name, link.name).pending
        if pending == 0 {
            catchUp()
        } else if link.silentAt == link.received {
            await stop()
        } else {
            self.link?.silentAt = link.received
        }
        return nil
    }
}

extension JetStream {
    /// Reads `filter` of a stream in order, from `startSequence` on, what is there and what comes.
    public func orderedConsumer(_ stream: String, filter: String, startSequence: UInt64 = 1) -> OrderedConsumer {
        OrderedConsumer(self, name: stream, filter: filter, startSequence: startSequence)
    }

    /// Reads what a stream holds on `filter` from `startSequence` on, in order, until nothing more is there: what is
    /// replaced meanwhile is read at its new place.
    ///
    /// Memory stays bounded however slow `body` is; what it throws ends the scan.
    ///
    /// - Returns: the last sequence that was read; `startSequence` - 1 where there was none.
    /// - Throws: `timeout` where the stream is written to faster than it can be read.
    @discardableResult
    public func scan(
        _ stream: String, filter: String, startSequence: UInt64,
        _ body: (StoredMessage) throws(NATSError) -> Void
    ) async throws(NATSError) -> UInt64 {
        var consumer = orderedConsumer(stream, filter: filter, startSequence: startSequence)
        do throws(NATSError) {
            try await consumer.readAll(body)
        } catch {
            await consumer.stop()
            throw error
        }
        await consumer.stop()
        return consumer.lastSequence
    }
}

extension OrderedConsumer {
    /// How long what was there at the beginning may take to be overtaken by what is written.
    private static let patience: Duration = .seconds(10)

    fileprivate mutating func readAll(_ body: (StoredMessage) throws(NATSError) -> Void) async throws(NATSError) {
        var deadline: ContinuousClock.Instant?
        while true {
            switch try await next() {
            case .message(let message): try body(message)
            case .caughtUp: deadline = .now + Self.patience
            case .idle: break
            case .restarted: throw NATSError(.disconnected, "stream “\(name)” was made anew while it was read")
            }
            guard let deadline else { continue }
            if pending == 0 { return }
            if deadline < .now {
                throw NATSError(.timeout, "stream “\(name)” is written to faster than it can be read")
            }
        }
    }
}

extension ConsumerConfiguration {
    fileprivate static func ordered(_ filter: String, from sequence: UInt64, into inbox: String) -> Self {
        var configuration = ConsumerConfiguration()
        configuration.deliverSubject = inbox
        configuration.filterSubject = filter
        configuration.deliverPolicy = "by_start_sequence"
        configuration.startSequence = sequence
        configuration.ackPolicy = "none"
        configuration.flowControl = true
        configuration.idleHeartbeat = 1_000_000_000
        configuration.inactiveThreshold = 30_000_000_000
        configuration.memoryStorage = true
        configuration.replicas = 1
        return configuration
    }
}
