import Encodings
import FoundationEssentials
import NATS
import Storage
import StorageWire

/// An event or a reference on its way out.
struct Notice: Sendable {
    enum Content: Sendable {
        case event(StorageEvent)
        case reference(StoredReference)
    }

    let content: Content
    /// Told when it is out, or that it never will be.
    var receipt: Receipt?

    /// Notices of one key keep their order.
    var key: String {
        switch content {
        case .event(let event): event.key
        case .reference(let reference): reference.info.key.rawValue
        }
    }

    /// Whether something was changed, and not only read or refused.
    var isOfWrite: Bool {
        switch content {
        case .event(let event): [.stored, .deleted, .expired].contains(event.type)
        case .reference: true
        }
    }

    private var id: String {
        switch content {
        case .event(let event): event.id
        case .reference(let reference): reference.id
        }
    }

    private var trace: [String: String] {
        switch content {
        case .event(let event): event.trace
        case .reference(let reference): reference.trace
        }
    }

    private var type: String {
        switch content {
        case .event(let event): event.type.rawValue
        case .reference: "reference"
        }
    }

    private var instance: String {
        switch content {
        case .event(let event): event.instance
        case .reference(let reference): reference.instance
        }
    }

    func subject(_ template: String) -> String {
        guard template.contains("{") else { return template }
        return template.replacing("{type}", with: type).replacing("{instance}", with: instance)
    }

    func headers(_ format: OutputConfiguration.Format) -> NATSHeaders {
        switch format {
        case .plain: [WireHeader.messageID: id]
        case .cloudEvents: [WireHeader.messageID: id, "content-type": "application/cloudevents+json"]
        }
    }

    func payload(_ format: OutputConfiguration.Format) -> [UInt8] {
        var writer = JSONWriter(reserving: 512)
        switch format {
        case .plain: writer.object { write(to: &$0) }
        case .cloudEvents: writer.object { writeCloudEvent(to: &$0) }
        }
        return writer.bytes
    }

    private func write(to writer: inout JSONWriter) {
        switch content {
        case .event(let event): event.write(to: &writer)
        case .reference(let reference): reference.write(to: &writer)
        }
    }

    /// The required attributes first; `traceparent` and `tracestate` are CloudEvents' distributed tracing extension.
    private func writeCloudEvent(to writer: inout JSONWriter) {
        writer.field("specversion", "1.0")
        writer.field("id", id)
        writer.field("source", "/nats-storage/\(instance)")
        writer.field("type", "nats-storage.\(type)")
        writer.field("subject", key)
        writer.field("time", RFC3339.format(time))
        writer.field("datacontenttype", "application/json")
        for (name, value) in trace { writer.field(name, value) }
        writer.object("data") { write(to: &$0) }
    }

    private var time: Date {
        switch content {
        case .event(let event): event.time
        case .reference(let reference): reference.info.modified
        }
    }
}
