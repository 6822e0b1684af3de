/// Messages that a stream stores together and syncs to disk, or not at all (ADR-50; NATS 2.12 and later, where the
/// stream allows it). For one writer.
///
/// Nothing is visible before the commit. A batch that is let go of before that leaves nothing: the server forgets it
/// after some seconds.
///
/// See <https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md>.
public struct AtomicBatch: ~Copyable {
    /// The most messages in a batch, the one that commits included: the servers' default.
    public static let limit = 1000

    private let stream: JetStream
    private let window: PublishWindow
    private let id = String(UInt64.random(in: .min ... .max), radix: 36)
    private var count = 0

    init(_ stream: JetStream, window limit: Int, budget: FlightBudget?) {
        self.stream = stream
        window = PublishWindow(stream, limit: limit, budget: budget, takesEmptyAcks: true)
    }

    /// How many messages may still be added before the one that commits.
    public var room: Int { Self.limit - 1 - count }

    /// Sends a message of the batch as soon as there is room in the window.
    ///
    /// - Throws: what became of an earlier one, or what keeps this one from being sent; the batch is lost then.
    public mutating func add(_ message: JetStream.Publication) async throws(NATSError) {
        let message = next(message)
        try await window.publish(message.subject, headers: message.headers, payload: message.payload)
    }

    /// Sends the last message: with its acknowledgement everything is stored and synced.
    ///
    /// - Throws: `api` where the stream refuses, and nothing of the batch is stored then; `timeout` where that is not
    ///   known.
    public mutating func commit(_ message: JetStream.Publication) async throws(NATSError) -> PublishAck {
        _ = try await window.finish()
        var last = next(message)
        last.headers.append("Nats-Batch-Commit", "1")
        return try await stream.publishToTheEnd(last)
    }

    /// Waits until nothing is on its way any more.
    public func abandon() async { await window.abort() }

    private mutating func next(_ message: JetStream.Publication) -> JetStream.Publication {
        count += 1
        var message = message
        message.headers.append("Nats-Batch-Id", id)
        message.headers.append("Nats-Batch-Sequence", String(count))
        return message
    }
}

extension JetStream {
    /// A new batch, with at most `window` messages on their way at once, and no more than there is room for in `budget`.
    public func atomicBatch(window: Int, budget: FlightBudget? = nil) -> AtomicBatch {
        AtomicBatch(self, window: window, budget: budget)
    }
}
