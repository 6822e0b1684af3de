import Encodings
import FoundationEssentials
import Storage

/// A stored message's reference: what flows on instead of the bytes.
struct StoredReference: Sendable {
    let id: String
    let instance: String
    let info: ObjectInfo
    var trace: [String: String] = [:]

    /// The contract's fields.
    func write(to writer: inout JSONWriter) {
        writer.object("storage_ref") { writer in
            writer.field("storage_instance", instance)
            writer.field("key", info.key.rawValue)
            writer.field("content_type", info.attributes.contentType ?? "application/octet-stream")
            writer.field("size", info.size)
        }
        writer.field("version", info.version.description)
        if let digest = info.digest { writer.field("digest", digest.description) }
        writer.field("stored_at", RFC3339.format(info.modified))
        writer.field("metadata", info.attributes.metadata)
    }
}
