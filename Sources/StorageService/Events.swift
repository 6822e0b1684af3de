import Encodings
import FoundationEssentials
import Logging
import NATS
import Storage
import StorageWire

/// What happened, as it goes out.
struct StorageEvent: Encodable, Sendable {
    enum Kind: String, Encodable, Sendable { case stored, retrieved, deleted, failed }

    let id = NUID.next()
    let type: Kind
    let key: String
    let timestamp = RFC3339.format(.now)
    let instance: String
    var version: String?
    var size: Int?
    var metadata: Metadata?
    var trace: [String: String]?
    var error: ErrorCodec.Detail?
    var operation: String?
}

/// A stored message's reference: what flows on instead of the bytes.
struct StoredReference: Encodable, Sendable {
    struct Reference: Encodable, Sendable {
        let storage_instance: String
        let key: String
        let content_type: String
        let size: Int
    }

    let storage_ref: Reference
    let version: String
    let digest: String?
    let stored_at: String
    let metadata: Metadata

    init(_ info: ObjectInfo, instance: String) {
        storage_ref = Reference(
            storage_instance: instance, key: info.key.rawValue,
            content_type: info.attributes.contentType ?? "application/octet-stream", size: info.size)
        version = info.version.description
        digest = info.digest?.description
        stored_at = RFC3339.format(info.modified)
        metadata = info.attributes.metadata
    }
}

/// Publishes events and references, one after the other, in the order in which they were handed over.
struct EventPublisher: Sendable {
    private struct Outgoing: Sendable {
        let subject: String
        let payload: [UInt8]
        let id: String
    }

    private let instance: String
    private let eventsSubject: String
    private let storedSubject: String
    private let logger: Logger
    private let queue: AsyncStream<Outgoing>
    private let feed: AsyncStream<Outgoing>.Continuation

    init(_ configuration: InstanceConfiguration, _ logger: Logger) {
        instance = configuration.name
        eventsSubject = configuration.subject(.events)
        storedSubject = configuration.subject(.stored)
        self.logger = logger
        // Events never hold up requests: what a stalled connection can't take is dropped, and said.
        (queue, feed) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(8192))
    }

    /// Publishes until ``finish()`` and everything handed over before is out.
    func run(_ connection: NATSConnection) async {
        for await outgoing in queue {
            do throws(NATSError) {
                try await connection.publish(
                    outgoing.subject, headers: ["Nats-Msg-Id": outgoing.id], payload: outgoing.payload)
            } catch {
                logger.error("event not published: \(error)")
            }
        }
    }

    func finish() { feed.finish() }

    func succeeded(_ type: StorageEvent.Kind, _ info: ObjectInfo, _ request: Request) {
        var event = StorageEvent(type: type, key: info.key.rawValue, instance: instance)
        event.version = info.version.description
        event.size = info.size
        event.metadata = info.attributes.metadata
        send(event, request)
    }

    func deleted(_ key: ObjectKey, _ request: Request) {
        send(StorageEvent(type: .deleted, key: key.rawValue, instance: instance), request)
    }

    func failed(_ error: StorageError, _ operation: String, key: String?, _ request: Request) {
        var event = StorageEvent(type: .failed, key: key ?? error.key ?? "", instance: instance)
        event.error = ErrorCodec.Detail(error)
        event.operation = operation
        send(event, request)
    }

    func reference(_ info: ObjectInfo) {
        let reference = StoredReference(info, instance: instance)
        send(Outgoing(subject: storedSubject, payload: JSON.encode(reference), id: NUID.next()))
    }

    private func send(_ event: StorageEvent, _ request: Request) {
        var event = event
        let trace = [WireHeader.traceParent, WireHeader.traceState].compactMap { name in
            request.headers.first(name).map { (name, $0) }
        }
        if !trace.isEmpty { event.trace = Dictionary(trace) { first, _ in first } }
        let subject = eventsSubject.replacing("{type}", with: event.type.rawValue)
            .replacing("{instance}", with: instance)
        send(Outgoing(subject: subject, payload: JSON.encode(event), id: event.id))
    }

    private func send(_ outgoing: Outgoing) {
        if case .dropped = feed.yield(outgoing) { logger.error("event dropped: too many wait to be published") }
    }
}
