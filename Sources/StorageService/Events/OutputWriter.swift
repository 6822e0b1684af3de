import DequeModule
import Logging
import Metrics
import NATS
import Storage

/// Publishes what happened to one output, in order for each key.
///
/// While NATS is away it waits, and its queue holds so much: what finds no room is dropped, counted and said.
final class OutputWriter: Sendable {
    private static let capacity = 8192
    /// More publishes at once than this gain nothing, and a flood is refused.
    private static let window = 256
    private static let ackTimeout: Duration = .seconds(2)

    private let output: OutputConfiguration
    private let logger: Logger
    private let queue = NoticeQueue(capacity: capacity, window: window)
    private let counters: OutputCounters

    init(_ output: OutputConfiguration, instance: String, _ logger: Logger, _ metrics: any MetricsFactory) {
        self.output = output
        self.logger = logger
        counters = OutputCounters(instance: instance, metrics)
    }

    /// Whether events of this type go there; of the `retrieved` ones, whether this one does.
    func takes(_ type: EventType) -> Bool {
        output.types.contains(type) && (type != .retrieved || output.sample >= 1 || .random(in: 0..<1) < output.sample)
    }

    /// Throws where the output is to go into a stream, and none takes its subject.
    func check(_ connection: NATSConnection, instance: String) async throws {
        guard output.delivery == .jetStream else { return }
        let subject = output.subject.replacing("{type}", with: "*").replacing("{instance}", with: instance)
        if try await streams(connection, subject).isEmpty {
            throw NATSError(.noResponders, "no stream takes “\(subject)”; create one, or make the output's type core")
        }
    }

    /// Asked again and again while the server is not ready.
    private func streams(_ connection: NATSConnection, _ subject: String) async throws -> [String] {
        while true {
            do throws(NATSError) {
                return try await JetStream(connection).streamNames(subject: subject)
            } catch {
                guard error.isTransient, error.code != .cancelled, !Pauses.isOver else { throw error }
                logger.warning("streams of “\(subject)” are not known yet: \(error)")
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    /// Never waits.
    func send(_ notice: Notice) {
        guard !queue.append(notice) else { return }
        drop(
            notice, .backlog, StorageError(.unavailable, "too many events wait to be published on “\(output.subject)”"))
    }

    /// What can't be published within `grace` is dropped: whoever waits for that, waits no longer.
    func hurry(_ grace: Duration) { queue.hurry(until: .now + grace) }

    /// Whatever was sent before is published, if it can be within `grace`.
    func finish(within grace: Duration) {
        hurry(grace)
        queue.finish()
    }

    /// Publishes until ``finish(within:)`` and everything sent before is out.
    func run(_ connection: NATSConnection) async {
        switch output.delivery {
        case .core:
            while let notices = await queue.next() {
                for notice in notices {
                    await publish(notice) { notice throws(NATSError) in try await self.hand(notice, to: connection) }
                }
            }
        case .jetStream: await runStream(JetStream(connection))
        }
        for notice in queue.close() { drop(notice, .failed, .cancelled) }
    }

    private func runStream(_ stream: JetStream) async {
        let lanes = Lanes<Notice>()
        await withDiscardingTaskGroup { group in
            while let notices = await queue.next() {
                for notice in notices where lanes.enter(notice.key, notice) {
                    group.addTask {
                        var next: Notice? = notice
                        while let notice = next {
                            await self.publish(notice) { notice throws(NATSError) in
                                try await self.store(notice, in: stream)
                            }
                            next = lanes.next(in: notice.key)
                        }
                    }
                }
            }
        }
    }

    /// Publishes it as soon as that is possible, or drops it.
    private func publish(_ notice: Notice, _ attempt: (Notice) async throws(NATSError) -> Void) async {
        defer { queue.settle() }
        var pause: Duration = .milliseconds(50)
        while true {
            do throws(NATSError) {
                try await attempt(notice)
                counters.published(notice)
                notice.receipt?.settle(nil)
                return
            } catch {
                let mayComeBack = error.isTransient && error.code != .cancelled
                guard mayComeBack, !queue.isOverdue, !Task.isCancelled else {
                    let kind: StorageError.Kind = error.isTransient ? .unavailable : .internal
                    return drop(notice, .failed, StorageError(kind, "not published: \(error)", cause: error))
                }
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(1))
            }
        }
    }

    private func hand(_ notice: Notice, to connection: NATSConnection) async throws(NATSError) {
        // Not into the library's buffer, which a longer absence overflows.
        guard connection.state == .connected else { throw NATSError(.disconnected, "NATS is away") }
        try await connection.publish(
            notice.subject(output.subject), headers: notice.headers(output.format),
            payload: notice.payload(output.format))
    }

    private func store(_ notice: Notice, in stream: JetStream) async throws(NATSError) {
        _ = try await stream.publish(
            notice.subject(output.subject), headers: notice.headers(output.format),
            payload: notice.payload(output.format), timeout: Self.ackTimeout)
    }

    private func drop(_ notice: Notice, _ reason: OutputCounters.Reason, _ error: StorageError) {
        counters.dropped(reason)
        logger.error("event dropped: \(error)")
        notice.receipt?.settle(error)
    }
}
