import Logging
import NATS
import Storage
import StorageWire

/// Stores what is published to a subject. A message is in memory alone until it is stored: it has a few attempts.
struct CoreInput: Sendable {
    private static let usualAttempts = 5

    let pipeline: Pipeline
    let deadLetters: DeadLetters?

    /// Stores until the subscription ends, and what came before that. So many messages are taken from it at a time, those
    /// that wait for others of their key among them: the rest waits there, where there is a bound.
    func run(_ subscription: NATSSubscription) async throws {
        let lanes = Lanes<Incoming>()
        try await withThrowingTaskGroup(of: Int.self) { group in
            var taken = 0
            for try await message in subscription {
                if taken == pipeline.input.maxInFlight { taken -= try await group.next() ?? 0 }
                taken += 1
                let incoming = Incoming(message)
                let lane = pipeline.lane { incoming }
                if let lane, !lanes.enter(lane, incoming) { continue }
                group.addTask {
                    var next: Incoming? = incoming
                    var count = 0
                    while let incoming = next {
                        await store(incoming)
                        count += 1
                        next = lane.flatMap(lanes.next(in:))
                    }
                    return count
                }
            }
            try await group.waitForAll()
        }
    }

    private func store(_ incoming: Incoming) async {
        let limit = pipeline.input.maxDeliver ?? Self.usualAttempts
        for attempt in 1... {
            do throws(StorageError) {
                try await pipeline.store(pipeline.item(incoming))
                return pipeline.counters.count(.stored)
            } catch {
                guard pipeline.mayTryAgain(error, attempt: attempt, of: limit), !Pauses.isOver else {
                    return await giveUp(incoming, error)
                }
                pipeline.counters.count(.retried)
                // Cut short by a shutdown: the next attempt is the last then.
                await Pauses.sleep(pipeline.pause(after: attempt, error))
            }
        }
    }

    private func giveUp(_ incoming: Incoming, _ error: StorageError) async {
        pipeline.counters.count(.terminated)
        pipeline.report(error, incoming)
        do throws(NATSError) {
            try await deadLetters?.publish(incoming, error)
        } catch {
            pipeline.logger.error("a message on “\(incoming.request.subject)” is lost, no dead letter: \(error)")
        }
    }
}
