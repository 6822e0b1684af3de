import FoundationEssentials
import NATS
import Storage
import StorageWire

/// A message to store.
struct Incoming: Sendable {
    /// Where in a stream it stands.
    struct Origin: Sendable, Hashable {
        let stream: String
        let sequence: UInt64
        /// When the stream took it, in nanoseconds since 1970: a stream that was made anew counts from 1 again. Nil where
        /// an older version, which did not know it, stored the message.
        let time: Int64?
    }

    let request: Request
    let origin: Origin?
    /// How many times it has been delivered, this one included.
    let deliveries: Int

    init(_ message: NATSMessage) {
        request = Request(message)
        origin = nil
        deliveries = 1
    }

    init(_ delivered: DeliveredMessage, stream: String) {
        let message = delivered.message
        request = Request(
            subject: message.subject, headers: message.headers, payload: message.payload, received: message.time)
        origin = Origin(stream: stream, sequence: message.sequence, time: delivered.nanoseconds)
        deliveries = delivered.deliveries
    }

    /// What makes another message the same one; nil: nothing.
    func id(_ deduplication: InputConfiguration.Deduplication) -> String? {
        switch deduplication {
        case .id: request.headers.first(WireHeader.messageID) ?? originID
        case .digest: Digest(of: request.payload).description
        case .none: originID
        }
    }

    private var originID: String? { origin?.description }
}

extension Incoming.Origin: LosslessStringConvertible {
    var description: String { "\(stream)/\(sequence)" + (time.map { "/\($0)" } ?? "") }

    init?(_ description: String) {
        // Stream names hold no slash.
        let parts = description.split(separator: "/")
        guard (2...3).contains(parts.count), let sequence = UInt64(parts[1]) else { return nil }
        let time = parts.count == 3 ? Int64(parts[2]) : nil
        guard parts.count == 2 || time != nil else { return nil }
        self.init(stream: String(parts[0]), sequence: sequence, time: time)
    }

    /// Whether it is the same message of the same stream.
    func isSame(as other: Self) -> Bool {
        stream == other.stream && sequence == other.sequence && hasTime(of: other)
    }

    /// Whether the same stream took it after `other`. What lies behind by its number and before by its time is of a stream
    /// that was made anew since, and comes after nothing of this one.
    func isAfter(_ other: Self) -> Bool {
        guard stream == other.stream, sequence > other.sequence else { return false }
        guard let time, let earlier = other.time else { return true }
        return time >= earlier
    }

    private func hasTime(of other: Self) -> Bool { time == nil || other.time == nil || time == other.time }
}
