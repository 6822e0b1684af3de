import Logging
import NATS
import ServiceLifecycle
import Storage
import StorageWire

/// Stores the messages of a stream: each is acknowledged only after its object, event and reference are stored or out.
/// One that can never be stored becomes a dead letter and is terminated.
struct StreamInput: Sendable {
    let pipeline: Pipeline
    let stream: String
    let durable: DurableConsumer
    let connection: NATSConnection
    let deadLetters: DeadLetters?
    let inFlight: InFlight
    private let pauses: Pauses

    init(
        _ pipeline: Pipeline, stream: String, subjects: [String], durable name: String, _ connection: NATSConnection,
        _ deadLetters: DeadLetters?
    ) {
        let input = pipeline.input
        var durable = DurableConsumer(name: name)
        durable.subjects = subjects
        durable.deliver = input.deliver
        durable.ackWait = input.ackWait
        // Room for several components.
        durable.maxUnacknowledged = max(1024, 4 * input.maxInFlight)
        self.pipeline = pipeline
        self.stream = stream
        self.durable = durable
        self.connection = connection
        self.deadLetters = deadLetters
        inFlight = InFlight(limit: input.maxInFlight)
        pauses = Pauses(input.pause(after: 1))
    }

    /// Opens the consumer; again and again while the server is not ready.
    ///
    /// - Throws: where there is no such stream, or the server refuses the consumer.
    func open() async throws -> PullConsumer {
        while true {
            do throws(NATSError) {
                return try await JetStream(connection).pullConsumer(
                    stream, durable, window: pipeline.input.maxInFlight)
            } catch {
                guard error.isTransient, error.code != .cancelled, !Pauses.isOver else { throw explained(error) }
                pipeline.logger.warning("stream “\(stream)” is not there yet: \(error)")
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    private func explained(_ error: NATSError) -> NATSError {
        guard case .api(_, JetStreamErrorCode.streamNotFound) = error.code else { return error }
        return NATSError(error.code, "there is no stream “\(stream)” for the input to read; create it first")
    }

    /// Stores until shutdown, and finishes what is under way.
    func run(_ consumer: PullConsumer) async {
        await withGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await signalWork() }
                await read(consumer)
                group.cancelAll()
            }
        } onGracefulShutdown: {
            // Whoever waits for messages stops waiting.
            Task { await consumer.stop() }
        }
        await consumer.stop()
    }

    private func read(_ consumer: PullConsumer) async {
        let lanes = Lanes<DeliveredMessage>()
        await withDiscardingTaskGroup { group in
            while !consumer.isFinished, !Task.isCancelled {
                await pauses.wait()
                let room = await inFlight.room(consumer.roomWanted)
                do throws(NATSError) {
                    for delivered in try await consumer.next(room: room) {
                        work(on: delivered, in: &group, lanes)
                    }
                } catch {
                    await recover(from: error)
                }
            }
        }
    }

    private func work(
        on delivered: DeliveredMessage, in group: inout DiscardingTaskGroup, _ lanes: Lanes<DeliveredMessage>
    ) {
        guard inFlight.begin(delivered) else { return }
        let lane = pipeline.lane { Incoming(delivered, stream: stream) }
        if let lane, !lanes.enter(lane, delivered) { return }
        group.addTask {
            var next: DeliveredMessage? = delivered
            while let delivered = next {
                await deal(with: delivered)
                inFlight.end(delivered)
                next = lane.flatMap(lanes.next(in:))
            }
        }
    }

    private func recover(from error: NATSError) async {
        pipeline.logger.warning("stream “\(stream)”: \(error); pulling again")
        do throws(NATSError) {
            try await JetStream(connection).ensureConsumer(stream, durable)
        } catch {
            pipeline.logger.warning("stream “\(stream)”: \(error)")
        }
        await Pauses.sleep(.milliseconds(250))
    }

    private func deal(with delivered: DeliveredMessage) async {
        if Pauses.isOver { return await retry(delivered, after: .zero) }
        let incoming = Incoming(delivered, stream: stream)
        var attempt = incoming.deliveries
        // One that was delivered too often already may be what ends the process.
        if let limit = pipeline.input.maxDeliver, attempt > limit {
            let error = StorageError(.unavailable, "it was delivered \(attempt - 1) times and not stored")
            return await giveUp(delivered, incoming, error)
        }
        while true {
            do throws(StorageError) {
                try await pipeline.store(pipeline.item(incoming))
                pauses.succeeded()
                pipeline.counters.count(.stored)
                return await answer { () async throws(NATSError) in try await delivered.acknowledge() }
            } catch {
                guard pipeline.mayTryAgain(error, attempt: attempt, of: pipeline.input.maxDeliver) else {
                    return await giveUp(delivered, incoming, error)
                }
                let pause = pipeline.pause(after: attempt, error)
                if pauses.failed() { pipeline.logger.warning("stream “\(stream)”: \(error); again in \(pause)") }
                guard pipeline.input.order == .key, !Pauses.isOver else {
                    return await retry(delivered, after: pause)
                }
                pipeline.counters.count(.retried)
                // Those of the same key behind it wait.
                await Pauses.sleep(pause)
                attempt += 1
            }
        }
    }

    private func giveUp(_ delivered: DeliveredMessage, _ incoming: Incoming, _ error: StorageError) async {
        do throws(NATSError) {
            try await deadLetters?.publish(incoming, error)
        } catch {
            pipeline.logger.warning("stream “\(stream)”: no dead letter yet: \(error)")
            return await retry(delivered, after: pipeline.input.pause(after: incoming.deliveries))
        }
        pipeline.counters.count(.terminated)
        pipeline.report(error, incoming)
        await answer { () async throws(NATSError) in try await delivered.terminate() }
    }

    private func retry(_ delivered: DeliveredMessage, after pause: Duration) async {
        pipeline.counters.count(.retried)
        await answer { () async throws(NATSError) in try await delivered.retry(after: pause) }
    }

    private func answer(_ outcome: () async throws(NATSError) -> Void) async {
        do throws(NATSError) {
            try await outcome()
        } catch {
            pipeline.logger.debug("stream “\(stream)”: a message's outcome is not told, it comes again: \(error)")
        }
    }

    /// Says of what takes long that it is worked on, well before it would be delivered again.
    private func signalWork() async {
        let interval = durable.ackWait / 3
        while !Task.isCancelled {
            try? await Task.sleep(for: interval / 2)
            for delivered in inFlight.due(after: interval) {
                await answer { () async throws(NATSError) in try await delivered.extend() }
            }
        }
    }
}
