package import Storage

/// What a store can do, as a component tells it: names with commas between them.
package enum CapabilityNames {
    private static let all: [(name: String, capability: Capabilities)] = [
        ("create_only", .createOnly), ("compare_and_swap", .compareAndSwap), ("time_to_live", .timeToLive),
        ("metadata_update", .metadataUpdate), ("message_id", .messageID),
    ]

    package static func encode(_ capabilities: Capabilities) -> String {
        all.filter { capabilities.contains($0.capability) }.map(\.name).joined(separator: ",")
    }

    /// Names that are not known are of a newer component, and left out.
    package static func decode(_ text: String) -> Capabilities {
        let names = Set(text.split(separator: ",").map(String.init))
        return all.filter { names.contains($0.name) }.reduce(into: []) { $0.insert($1.capability) }
    }
}

/// What a client reads of a component's answer to `$SRV.INFO`.
package struct WireServiceInfo: Codable, Sendable {
    package struct Endpoint: Codable, Sendable {
        package var name: String
        package var subject: String
    }

    package var metadata: [String: String]?
    package var endpoints: [Endpoint]?

    /// The subjects of its ports.
    package var subjects: [Port: String] {
        (endpoints ?? []).reduce(into: [:]) { subjects, endpoint in
            if let port = Port(rawValue: endpoint.name) { subjects[port] = endpoint.subject }
        }
    }

    /// What the store behind the component can do; nil where the component does not tell.
    package var capabilities: Capabilities? { metadata?[Self.capabilitiesKey].map(CapabilityNames.decode) }

    /// The metadata's key.
    package static let capabilitiesKey = "capabilities"
}
