import FoundationEssentials

extension JetStream {
    /// Reads what a stream holds on `filter` from `startSequence` on, in order, up to what it held when this began.
    ///
    /// An ephemeral consumer with flow control and heartbeats, removed at the end: memory stays bounded however slow
    /// `body` is, and a server that falls silent for ten seconds ends it with `timeout`.
    public func scan(
        _ stream: String, filter: String, startSequence: UInt64,
        _ body: (StoredMessage) throws(NATSError) -> Void
    ) async throws(NATSError) {
        let inbox = connection.newInbox()
        let subscription = try await connection.subscribe(inbox, capacity: 1 << 20, overflow: .fail)
        let consumer = try await createConsumer(stream, .scanning(filter, from: startSequence, into: inbox))
        let failure: NATSError?
        do throws(NATSError) {
            if consumer.pending > 0 { try await deliver(subscription, of: stream, consumer.name, body) }
            failure = nil
        } catch {
            failure = error
        }
        await subscription.unsubscribe()
        // Gone by itself after a while, where this does not get through.
        try? await deleteConsumer(stream, consumer.name)
        if let failure { throw failure }
    }

    private static func gap(_ stream: String, after received: UInt64) -> NATSError {
        NATSError(.disconnected, "stream “\(stream)”: deliveries after the first \(received) were lost on the way")
    }

    private func deliver(
        _ subscription: NATSSubscription, of stream: String, _ consumer: String,
        _ body: (StoredMessage) throws(NATSError) -> Void
    ) async throws(NATSError) {
        var received: UInt64 = 0
        while true {
            guard let message = try await subscription.next(timeout: .seconds(10)) else {
                if Task.isCancelled { throw NATSError(.cancelled, "the scan was cancelled") }
                throw NATSError(.timeout, "the stream's consumer fell silent on “\(subscription.subject)”")
            }
            if message.status == 100 {
                if let flowControl = message.reply ?? message.headers.first("Nats-Consumer-Stalled") {
                    try await connection.publish(flowControl)
                } else if message.headers.first("Nats-Last-Consumer") == String(received),
                    try await consumerInfo(stream, consumer).pending == 0
                {
                    // What was still to come has been replaced or removed meanwhile.
                    return
                } else if let last = message.headers.first("Nats-Last-Consumer").flatMap({ UInt64($0) }),
                    last > received
                {
                    throw Self.gap(stream, after: received)
                }
                continue
            }
            guard let delivery = Delivery(message) else {
                throw NATSError(.protocolViolation, "a delivery on “\(message.subject)” does not say what it is")
            }
            // What was on its way when a connection broke is not sent again.
            guard delivery.consumerSequence == received + 1 else { throw Self.gap(stream, after: received) }
            received += 1
            try body(delivery.stored)
            if delivery.pending == 0 { return }
        }
    }
}

extension ConsumerConfiguration {
    fileprivate static func scanning(_ filter: String, from sequence: UInt64, into inbox: String) -> Self {
        var configuration = ConsumerConfiguration()
        configuration.deliverSubject = inbox
        configuration.filterSubject = filter
        configuration.deliverPolicy = "by_start_sequence"
        configuration.startSequence = max(1, sequence)
        configuration.ackPolicy = "none"
        configuration.flowControl = true
        configuration.idleHeartbeat = 1_000_000_000
        configuration.inactiveThreshold = 30_000_000_000
        configuration.memoryStorage = true
        configuration.replicas = 1
        return configuration
    }
}

/// A consumer's delivery, whose reply subject tells where it comes from:
/// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, with domain and account
/// before the stream, and a token at the end, from newer servers.
struct Delivery {
    let stored: StoredMessage
    let pending: UInt64
    /// Counts the consumer's deliveries from one: a jump is a loss.
    let consumerSequence: UInt64

    init?(_ message: NATSMessage) {
        let tokens = (message.reply ?? "").split(separator: ".")
        let offset = tokens.count >= 11 ? 2 : 0
        guard tokens.count >= 9, tokens[1] == "ACK", let sequence = UInt64(tokens[5 + offset]),
            let consumerSequence = UInt64(tokens[6 + offset]), let nanoseconds = Int64(tokens[7 + offset]),
            let pending = UInt64(tokens[8 + offset])
        else { return nil }
        self.pending = pending
        self.consumerSequence = consumerSequence
        stored = StoredMessage(
            subject: message.subject, sequence: sequence,
            time: Date(timeIntervalSince1970: Double(nanoseconds) / 1e9), headers: message.headers,
            payload: message.payload)
    }
}
