import Encodings
public import FoundationEssentials
import Waiting

/// A consumer that the server keeps, and that several processes may pull from: each message goes to one of them, again
/// and again until it is acknowledged.
public struct DurableConsumer: Sendable {
    /// Where a consumer begins that is not there yet.
    public enum Deliver: Sendable, Hashable {
        /// With the stream's first message.
        case all
        /// With what comes from now on.
        case new
        /// With the last message.
        case last
        /// With the first message at or after a time.
        case since(Date)
    }

    /// Its name.
    public var name: String
    /// Which of the stream's subjects; none: all. Several need a server of 2.10 or later.
    public var subjects: [String] = []
    /// Where it begins. One that is there already goes on where it was.
    public var deliver = Deliver.all
    /// After how long a message that was not acknowledged comes again.
    public var ackWait: Duration = .seconds(30)
    /// How many messages may be delivered and not acknowledged, over all processes.
    public var maxUnacknowledged = 1024

    /// A consumer of all messages.
    public init(name: String) {
        self.name = name
    }

    var configuration: ConsumerConfiguration {
        var configuration = ConsumerConfiguration()
        configuration.durableName = name
        configuration.filterSubject = subjects.count == 1 ? subjects[0] : nil
        configuration.filterSubjects = subjects.count > 1 ? subjects : nil
        configuration.ackWait = ackWait.milliseconds * 1_000_000
        configuration.maxAckPending = maxUnacknowledged
        switch deliver {
        case .all: configuration.deliverPolicy = "all"
        case .new: configuration.deliverPolicy = "new"
        case .last: configuration.deliverPolicy = "last"
        case .since(let time):
            configuration.deliverPolicy = "by_start_time"
            // What is left of a millisecond would put it off.
            let milliseconds = (time.timeIntervalSince1970 * 1000).rounded(.down)
            configuration.startTime = RFC3339.format(Date(timeIntervalSince1970: milliseconds / 1000))
        }
        return configuration
    }
}

extension JetStream {
    /// Makes the server's consumer what `durable` says; one that is there keeps its place in the stream.
    ///
    /// - Throws: `api` where there is no such stream or the server refuses a change, `invalidArgument` where the server
    ///   knows no consumers of several subjects; the consumer is as before then.
    public func ensureConsumer(_ stream: String, _ durable: DurableConsumer) async throws(NATSError) {
        var wanted = durable.configuration
        let present = try await existingConsumer(stream, durable.name)
        if let present {
            if present.serves(wanted) { return }
            // Where it began can't be changed.
            wanted.deliverPolicy = present.deliverPolicy
            wanted.startSequence = present.startSequence
            wanted.startTime = present.startTime
        }
        let made = try await createConsumer(stream, wanted)
        guard let filters = wanted.filterSubjects, made.config?.filterSubjects != filters else { return }
        // It took the rest: what was there before is there again, at its place.
        if let present {
            _ = try await createConsumer(stream, present)
        } else {
            try await deleteConsumer(stream, durable.name)
        }
        throw NATSError(
            .invalidArgument, "the server has no consumers of several subjects; name one, or run 2.10 or later")
    }

    private func existingConsumer(_ stream: String, _ name: String) async throws(NATSError) -> ConsumerConfiguration? {
        do throws(NATSError) {
            return try await consumerInfo(stream, name).config
        } catch {
            if case .api(_, JetStreamErrorCode.consumerNotFound) = error.code { return nil }
            throw error
        }
    }

    /// Pulls from `durable`, which is created where it is missing; `window` messages at a time in the end.
    ///
    /// - Throws: what ``ensureConsumer(_:_:)`` throws.
    public func pullConsumer(
        _ stream: String, _ durable: DurableConsumer, window: Int
    ) async throws(NATSError) -> PullConsumer {
        try await ensureConsumer(stream, durable)
        let subscription = try await connection.subscribe(
            connection.newInbox(), capacity: 2 * window + 4096, overflow: .fail)
        return PullConsumer(
            self, subject: "\(prefix).CONSUMER.MSG.NEXT.\(stream).\(durable.name)", subscription: subscription,
            window: window)
    }
}

extension ConsumerConfiguration {
    fileprivate func serves(_ wanted: ConsumerConfiguration) -> Bool {
        filterSubject == wanted.filterSubject && filterSubjects == wanted.filterSubjects && ackWait == wanted.ackWait
            && maxAckPending == wanted.maxAckPending
    }
}
