import StorageService
import StorageWire

/// The ports of an instance that are not as usual.
struct PortsKeys: Sendable {
    private var ports: [PortKeys] = []

    static let section = Section<PortsKeys>(
        "Ports that are not as usual; the others stay.",
        [
            list("inputs", inputs, "Where requests and messages come from."),
            list("outputs", [.events, .stored], "Where events and references go."),
        ])

    private static let inputs = Port.allCases.filter { ![.events, .stored].contains($0) }

    private static func list(_ name: String, _ known: [Port], _ summary: String) -> Setting<PortsKeys> {
        let section = PortKeys.section(known)
        return Setting(name, .list(.section(section.description(PortKeys()))), summary) { node, keys in
            for element in node.elements() {
                var port = PortKeys()
                try section.read(element, into: &port)
                try port.check(element)
                keys.ports.append(port)
            }
        }
    }

    func apply(to instance: inout InstanceConfiguration) {
        for port in ports { port.apply(to: &instance) }
    }
}

/// The keys of a port.
struct PortKeys: Sendable {
    private var port = Port.put
    private var type: String?
    private var subject: String?
    private var stream: String?
    private var durable: String?

    static func section(_ known: [Port]) -> Section<PortKeys> {
        Section(
            "A port.",
            [
                Setting("name", .choice(known.map(\.rawValue)), "Which port it is.") {
                    $1.port = try $0.choice(known.map { ($0.rawValue, $0) })
                }.required,
                Setting("type", .choice(["request", "core", "jetstream"]), "How messages come and go.") {
                    $1.type = try $0.string()
                },
                .text("subject", \.subject, "The subject."),
                .text("stream", \.stream, "Of a write port of type jetstream: the stream."),
                .text("durable", \.durable, "Of a write port of type jetstream: the name of its consumer."),
            ])
    }

    private var isStream: Bool { port == .write && type == "jetstream" }

    /// Throws where what was read does not fit together.
    func check(_ node: ConfigurationNode) throws {
        if isStream {
            guard stream != nil else { throw node.failure("has no stream") }
            return
        }
        if let other = try node.field("stream") ?? node.field("durable") {
            throw other.failure("belongs to a write port of type jetstream")
        }
        let known = Port.requests.contains(port) ? "request" : "core"
        guard type == nil || type == known else {
            throw node.failure("type “\(type ?? "")” of port \(port.rawValue) is not \(known)")
        }
    }

    func apply(to instance: inout InstanceConfiguration) {
        if isStream, let stream {
            let durable = durable ?? "storage-\(instance.name)"
            instance.stream = .init(stream: stream, subject: subject, durable: durable)
        } else if let subject {
            instance.setSubject(subject, of: port)
        }
    }
}
