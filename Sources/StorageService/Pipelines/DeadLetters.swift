import NATS
import Storage
import StorageWire

/// Where messages go that can never be stored.
struct DeadLetters: Sendable {
    let subject: String
    let connection: NATSConnection

    /// Publishes a message with why it is there; into a stream, where one takes the subject, and then it is stored.
    func publish(_ incoming: Incoming, _ error: StorageError) async throws(NATSError) {
        let message = letter(incoming, error)
        let stream = JetStream(connection)
        if try await stream.streamNames(subject: subject).isEmpty {
            try await connection.publish(subject, headers: message.headers, payload: message.payload)
            try await connection.flush()
        } else {
            _ = try await stream.publish(subject, headers: message.headers, payload: message.payload)
        }
    }

    private func letter(_ incoming: Incoming, _ error: StorageError) -> (headers: NATSHeaders, payload: [UInt8]) {
        // Those of NATS' own would have the letter dropped, or refused.
        var headers = NATSHeaders(
            incoming.request.headers.filter { !$0.name.hasPrefix("Nats-") }.map { ($0.name, $0.value) })
        let detail = ErrorCodec.Detail(error)
        headers.set(WireHeader.deadCode, detail.code)
        headers.set(WireHeader.deadReason, ErrorCodec.oneLine(detail.message))
        headers.set(WireHeader.deadSubject, incoming.request.subject)
        headers.set(WireHeader.deadDeliveries, String(incoming.deliveries))
        if let origin = incoming.origin {
            headers.set(WireHeader.deadStream, origin.stream)
            headers.set(WireHeader.deadSequence, String(origin.sequence))
            headers.set(WireHeader.messageID, "dead \(origin)")
        }
        let payload = incoming.request.payload
        guard payload.count + headers.encodedSize <= connection.maxPayload else {
            headers.set(WireHeader.deadOmitted, String(payload.count))
            return (headers, [])
        }
        return (headers, payload)
    }
}

extension NATSHeaders {
    /// About what they take of a message.
    fileprivate var encodedSize: Int { fields.reduce(16) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 } }
}
