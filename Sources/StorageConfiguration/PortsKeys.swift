import StorageService
import StorageWire

/// The ports of an instance that are not as usual.
struct PortsKeys: Sendable {
    private var inputs: [InputKeys] = []
    private var outputs: [OutputKeys] = []

    static let section = Section<PortsKeys>(
        "Ports that are not as usual; the others stay.",
        [
            Setting(
                "inputs", .list(.section(InputKeys.section.description(InputKeys()).withoutInitials)),
                "Where requests and messages come from."
            ) { node, keys in
                keys.inputs += try node.elements().map { try InputKeys($0) }
            },
            Setting(
                "outputs", .list(.section(OutputKeys.section.description(OutputKeys()).withoutInitials)),
                "Where events and references go."
            ) { node, keys in
                keys.outputs += try node.elements().map { try OutputKeys($0) }
            },
        ])

    /// What is named takes the place of what is usual.
    func apply(to instance: inout InstanceConfiguration, _ node: ConfigurationNode) throws {
        for input in inputs where input.port != .write {
            if let subject = input.subjects.first { instance.setSubject(subject, of: input.port) }
        }
        let writes = inputs.filter { $0.port == .write }.flatMap { $0.configurations(instance) }
        if !writes.isEmpty { instance.inputs = writes }
        guard Set(instance.inputs.map(\.source)).count == instance.inputs.count, hasOwnConsumers(instance) else {
            throw node.failure("two inputs have the same subject, or the same consumer: name its `durable`")
        }
        let events = outputs.filter { $0.port == .events }.map { $0.configuration(instance) }
        let stored = outputs.filter { $0.port == .stored }.map { $0.configuration(instance) }
        if !events.isEmpty { instance.events = events }
        if !stored.isEmpty { instance.stored = stored }
        if let conflict = instance.conflict { throw try (node.field("ports") ?? node).failure(conflict) }
    }

    private func hasOwnConsumers(_ instance: InstanceConfiguration) -> Bool {
        let consumers = instance.inputs.compactMap { input -> String? in
            guard case .stream(let stream, _, let durable) = input.source else { return nil }
            return "\(stream) \(durable)"
        }
        return Set(consumers).count == consumers.count
    }
}

extension SectionDescription {
    /// For ports, of which each takes only some of the keys: none holds by itself.
    fileprivate var withoutInitials: SectionDescription {
        var section = self
        for index in section.keys.indices {
            if let initial = section.keys[index].initial { section.keys[index].summary += " Else \(initial)." }
            section.keys[index].initial = nil
        }
        return section
    }
}
