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
        if try await isInStream(incoming) {
            _ = try await JetStream(connection).publish(subject, headers: message.headers, payload: message.payload)
        } else {
            try await connection.publish(subject, headers: message.headers, payload: message.payload)
            try await connection.flush()
        }
    }

    /// Whether a stream takes the subject, as far as anybody says: without JetStream, or the permission to ask, the letter
    /// goes to whoever listens.
    private func isInStream(_ incoming: Incoming) async throws(NATSError) -> Bool {
        do throws(NATSError) {
            return try await !JetStream(connection).streamNames(subject: subject).isEmpty
        } catch {
            switch error.code {
            case .permission: return false
            // Not enabled here, or for this account. It is where a stream's message comes from: away for now.
            case .noResponders, .api(_, JetStreamErrorCode.notEnabledForAccount),
                .api(_, JetStreamErrorCode.notEnabled):
                if incoming.origin == nil { return false }
                throw error
            default: throw error
            }
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
        guard payload.count + headers.fields.size <= connection.maxPayload else {
            headers.set(WireHeader.deadOmitted, String(payload.count))
            return (headers, [])
        }
        return (headers, payload)
    }
}
