import Storage
import StorageService
import StorageWire

/// The keys of an output.
struct OutputKeys: Sendable {
    private(set) var port = Port.events
    private var subject: String?
    private var output = OutputConfiguration(subject: "")

    private static let ports: [Port] = [.events, .stored]
    private static let types = OutputConfiguration.EventType.allCases

    static let section = Section<OutputKeys>(
        "Where events or references go.",
        [
            Setting("name", .choice(ports.map(\.rawValue)), "What goes there: events, or references.") {
                $1.port = try $0.choice(ports.map { ($0.rawValue, $0) })
            }.required,
            Setting<OutputConfiguration>.choice(
                "type", \.delivery, [("core", .core), ("jetstream", .jetStream)],
                "Whether they go to whoever listens, or into a stream that takes the subject."
            ).within(\.output),
            .text("subject", \.subject, "The subject; of events it may hold {type} and {instance}."),
            Setting<OutputConfiguration>.choice(
                "format", \.format, [("plain", .plain), ("cloudevents", .cloudEvents)],
                "As they are, or as CloudEvents 1.0."
            ).within(\.output),
            Setting("types", .list(.choice(types.map(\.rawValue))), "Which events; else all.") {
                $1.output.types = Set(try $0.elements().map { try $0.choice(types.map { ($0.rawValue, $0) }) })
            },
            Setting<OutputConfiguration>.number(
                "sample", \.sample, in: 0...1, "Which part of the retrieved events."
            ).within(\.output),
        ])

    init() {}

    init(_ node: ConfigurationNode) throws {
        try Self.section.read(node, into: &self)
        if let subject { try check(subject, try node.field("subject") ?? node) }
        guard port == .stored else { return }
        for name in ["types", "sample"] {
            if let other = try node.field(name) { throw other.failure("belongs to events") }
        }
        if subject?.contains("{type}") == true { throw node.failure("the subject of references has no {type}") }
    }

    /// Throws where nothing could be published there.
    private func check(_ subject: String, _ node: ConfigurationNode) throws {
        let filled = subject.replacing("{type}", with: "t").replacing("{instance}", with: "i")
        guard !filled.contains("{"), !filled.contains("}") else {
            throw node.failure("“\(subject.abbreviated)” holds other braces than {type} and {instance}")
        }
        guard filled.isSubject() else {
            throw node.failure("“\(subject.abbreviated)” is no subject without wildcards")
        }
    }

    func configuration(_ instance: InstanceConfiguration) -> OutputConfiguration {
        var output = output
        output.subject = subject ?? port.defaultSubject(instance: instance.name)
        return output
    }
}
