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
        origin = Origin(stream: stream, sequence: message.sequence)
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

    private var originID: String? { origin.map { "\($0.stream).\($0.sequence)" } }
}
