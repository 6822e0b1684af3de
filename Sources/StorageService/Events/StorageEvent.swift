import Encodings
import FoundationEssentials
import NATS
import Storage
import StorageWire

typealias EventType = OutputConfiguration.EventType

/// What happened, as it goes out.
struct StorageEvent: Sendable {
    var id = NUID.next()
    let type: EventType
    let key: String
    let time = Date.now
    let instance: String
    var version: String?
    var size: Int?
    var metadata: Metadata?
    var trace: [String: String] = [:]
    var error: ErrorCodec.Detail?
    var operation: String?

    init(_ type: EventType, key: String, instance: String) {
        self.type = type
        self.key = key
        self.instance = instance
    }

    init(_ type: EventType, _ info: ObjectInfo, instance: String) {
        self.init(type, key: info.key.rawValue, instance: instance)
        version = info.version.description
        size = info.size
        metadata = info.attributes.metadata
    }

    /// The contract's fields.
    func write(to writer: inout JSONWriter) {
        writer.field("id", id)
        writer.field("type", type.rawValue)
        writer.field("key", key)
        writer.field("timestamp", RFC3339.format(time))
        writer.field("instance", instance)
        if let version { writer.field("version", version) }
        if let size { writer.field("size", size) }
        if let metadata { writer.field("metadata", metadata) }
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
}

extension JSONWriter {
    mutating func field(_ name: String, _ metadata: Metadata) {
        object(name) { writer in
            for (name, values) in metadata { writer.field(name, values) }
        }
    }
}
