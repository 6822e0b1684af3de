import Encodings
import FoundationEssentials
import Logging
import NATS
import Storage
import StorageWire

/// What happened, as it goes out.
struct StorageEvent: Sendable {
    enum Kind: String, Sendable { case stored, retrieved, deleted, expired, failed }

    let id = NUID.next()
    let type: Kind
    let key: String
    let time = Date.now
    let instance: String
    var version: String?
    var size: Int?
    var metadata: Metadata?
    var trace: [String: String] = [:]
    var error: ErrorCodec.Detail?
    var operation: String?

    /// The contract's JSON.
    var json: [UInt8] {
        var writer = JSONWriter(reserving: 512)
        writer.object { writer in
            writer.field("id", id)
            writer.field("type", type.rawValue)
            writer.field("key", key)
            writer.field("timestamp", RFC3339.format(time))
            writer.field("instance", instance)
            if let version { writer.field("version", version) }
            if let size { writer.field("size", size) }
            if let metadata {
                writer.object("metadata") { writer in
                    for (name, values) in metadata { writer.field(name, values) }
                }
            }
            if !trace.isEmpty {
                writer.object("trace") { writer in
                    for (name, value) in trace { writer.field(name, value) }
                }
            }
            if let error {
                writer.object("error") { writer in
                    writer.field("code", error.code)
                    writer.field("class", error.class)
                    writer.field("message", error.message)
                }
            }
            if let operation { writer.field("operation", operation) }
        }
        return writer.bytes
    }
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
    private enum Outgoing: Sendable {
        case event(StorageEvent)
        case reference(StoredReference, id: String)
    }

    private let instance: String
    private let eventsSubject: String
    private let storedSubject: String
    private let logger: Logger
    private let seen: EventFeed
    private let queue: AsyncStream<Outgoing>
    private let feed: AsyncStream<Outgoing>.Continuation

    init(_ configuration: InstanceConfiguration, _ seen: EventFeed, _ logger: Logger) {
        instance = configuration.name
        eventsSubject = configuration.subject(.events)
        storedSubject = configuration.subject(.stored)
        self.seen = seen
        self.logger = logger
        // Events never hold up requests: what a stalled connection can't take is dropped, and said.
        (queue, feed) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(8192))
    }

    /// Publishes until ``finish()`` and everything handed over before is out.
    func run(_ connection: NATSConnection) async {
        for await outgoing in queue {
            do throws(NATSError) {
                switch outgoing {
                case .event(let event):
                    try await connection.publish(
                        subject(of: event), headers: [WireHeader.messageID: event.id], payload: event.json)
                case .reference(let reference, let id):
                    try await connection.publish(
                        storedSubject, headers: [WireHeader.messageID: id], payload: JSON.encode(reference))
                }
            } catch {
                logger.error("event not published: \(error)")
            }
        }
    }

    private func subject(of event: StorageEvent) -> String {
        guard eventsSubject.contains("{") else { return eventsSubject }
        return eventsSubject.replacing("{type}", with: event.type.rawValue).replacing("{instance}", with: instance)
    }

    func finish() { feed.finish() }

    func succeeded(_ type: StorageEvent.Kind, _ info: ObjectInfo, _ request: Request) {
        send(event(type, info), request)
    }

    private func event(_ type: StorageEvent.Kind, _ info: ObjectInfo) -> StorageEvent {
        var event = StorageEvent(type: type, key: info.key.rawValue, instance: instance)
        event.version = info.version.description
        event.size = info.size
        event.metadata = info.attributes.metadata
        return event
    }

    func deleted(_ key: ObjectKey, _ request: Request) {
        send(StorageEvent(type: .deleted, key: key.rawValue, instance: instance), request)
    }

    func expired(_ info: ObjectInfo) {
        send(.event(event(.expired, info)))
    }

    func failed(_ error: StorageError, _ operation: String, key: String?, _ request: Request) {
        var event = StorageEvent(type: .failed, key: key ?? error.key ?? "", instance: instance)
        event.error = ErrorCodec.Detail(error)
        event.operation = operation
        send(event, request)
    }

    func reference(_ info: ObjectInfo) {
        send(.reference(StoredReference(info, instance: instance), id: NUID.next()))
    }

    private func send(_ event: StorageEvent, _ request: Request) {
        var event = event
        for name in [WireHeader.traceParent, WireHeader.traceState] {
            if let value = request.headers.first(name) { event.trace[name] = value }
        }
        send(.event(event))
    }

    private func send(_ outgoing: Outgoing) {
        if case .event(let event) = outgoing { seen.record(event) }
        if case .dropped = feed.yield(outgoing) { logger.error("event dropped: too many wait to be published") }
    }
}
