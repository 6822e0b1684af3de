import Logging
import NATS

/// An input that messages reach.
struct OpenInput: Sendable {
    /// What a subject's messages come by.
    let subscription: NATSSubscription?
    private let work: @Sendable () async throws -> Void

    /// Subscribes, or opens the stream's consumer.
    init(_ pipeline: Pipeline, _ connection: NATSConnection, queue: String) async throws {
        let deadLetters = pipeline.input.deadLetter.map { DeadLetters(subject: $0, connection: connection) }
        switch pipeline.input.source {
        case .core(let subject):
            let subscription = try await connection.subscribe(subject, queue: queue, capacity: 8192) { message in
                pipeline.counters.count(.lost)
                pipeline.logger.error("a message on “\(message.subject)” is lost: too many wait to be stored")
            }
            self.subscription = subscription
            work = { try await CoreInput(pipeline: pipeline, deadLetters: deadLetters).run(subscription) }
        case .stream(let stream, let subjects, let durable):
            let input = StreamInput(
                pipeline, stream: stream, subjects: subjects, durable: durable, connection, deadLetters)
            let consumer = try await input.open()
            subscription = nil
            work = { await input.run(consumer) }
        }
    }

    /// Stores what comes until shutdown, and finishes what is under way.
    func run() async throws { try await work() }
}
