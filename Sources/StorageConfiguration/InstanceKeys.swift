import Storage
import StorageService

/// The keys of an instance.
struct InstanceKeys: Sendable {
    private var instance: InstanceConfiguration
    private var store: StoreConfiguration?
    private var layers: [LayerConfiguration] = []
    private var ports = PortsKeys()

    private init(name: String) throws(StorageError) {
        instance = try InstanceConfiguration(name: name)
    }

    static let section = Section<InstanceKeys>(
        "A component: a store, and ports on NATS.",
        [
            // Read before the others, since they may depend on it.
            Setting("name", .text, "What its subjects begin with: storage.NAME.", initial: { $0.instance.name }) {
                _, _ in
            },
            Setting("store", .store, "Where objects lie.") { $1.store = try StoreConfiguration($0) }.required,
            Setting("layers", .list(.layer), "What is put around the store, the outermost last.") {
                $1.layers = try $0.elements().map { try LayerConfiguration($0) }
            },
            Setting("keys", .generator, "How keys are made for messages that bring none.") {
                $1.instance.keyGenerator = try KeyGeneratorKeys.read($0)
            },
            Setting("metadata", .extractor, "Which metadata messages bring.") {
                $1.instance.metadataExtractor = try MetadataExtractorKeys.read($0)
            },
            Setting("limits", .section(limits.description(.init())), "How much is taken at a time.") {
                try limits.read($0, into: &$1.instance.limits)
            },
            Setting("ports", .section(PortsKeys.section.description(.init())), "Ports that are not as usual.") {
                try PortsKeys.section.read($0, into: &$1.ports)
            },
        ])

    private static let limits = Section<InstanceConfiguration.Limits>(
        "How much is taken at a time.",
        [
            .size("max_object_size", \.maxObjectSize, "The largest object."),
            .integer("max_in_flight", \.maxInFlight, in: 1...65_536, "How many requests are worked on at once."),
            .integer("max_uploads", \.maxUploads, in: 1...4096, "How many uploads may be open."),
            .duration("upload_idle", \.uploadIdle, "How long an upload may be silent."),
            .integer(
                "max_keys", \.maxKeys, in: 1...ListQuery.maximumLimit, "The most keys in one answer to a list."),
            .duration("request_timeout", \.requestTimeout, "How long a request may take, unless it says so itself."),
        ])

    static var description: SectionDescription {
        // The usual name is a valid one.
        guard let initial = try? InstanceKeys(name: "objectstore") else {
            return SectionDescription(summary: "", keys: [])
        }
        return section.description(initial)
    }

    static func read(
        _ node: ConfigurationNode
    ) throws -> (configuration: InstanceConfiguration, store: StoreConfiguration) {
        let name = try node.field("name")
        let text = try name?.string() ?? "objectstore"
        var keys = try (name ?? node).checked { try InstanceKeys(name: text) }
        try section.read(node, into: &keys)
        var instance = keys.instance
        keys.ports.apply(to: &instance)
        guard let store = keys.store else { throw node.failure("has no store") }
        return (instance, store.with(keys.layers))
    }
}
