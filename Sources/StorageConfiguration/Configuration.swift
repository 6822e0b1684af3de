public import NATS
import Storage
public import StorageOperations
public import StorageService
import Yams

/// What a configuration file says: a server, a log, instances.
public struct Configuration: Sendable {
    /// How to reach NATS.
    public var nats = NATSOptions()
    /// What is logged.
    public var log = LogSettings()
    /// The HTTP port; nil: none.
    public var http: OperationsOptions?
    /// How long the start is tried again where NATS or a store is not there yet.
    public var startTimeout: Duration = .seconds(30)
    /// The instances, each with its store.
    public var instances: [(configuration: InstanceConfiguration, store: StoreConfiguration)]
    /// What takes effect, by its place in the file: to be compared.
    var effective: [String: Int] = [:]

    /// One instance over `store`.
    public init(instance: InstanceConfiguration, store: StoreConfiguration) {
        instances = [(instance, store)]
    }

    /// Parses YAML.
    ///
    /// - Throws: ``ConfigurationError`` that names the path of what is wrong: an unknown key, a wrong type, a value
    ///   out of range.
    public init(yaml: String, environment: [String: String]) throws {
        let root = try ConfigurationNode(yaml: yaml, environment: environment)
        instances = []
        try Self.section.read(root, into: &self)
        effective = try root.effective(.section(Self.description))
    }

    private init() {
        instances = []
    }

    /// Throws where two instances answer the same requests.
    private static func checkSubjects(_ instances: [InstanceConfiguration], _ node: ConfigurationNode) throws {
        for (index, one) in instances.enumerated() {
            for other in instances[(index + 1)...] {
                if let conflict = one.conflict(with: other) { throw node.failure(conflict) }
            }
        }
    }

    private static let section = Section<Configuration>(
        "What nats-storage serves.",
        [
            Setting("nats", .section(NATSKeys.section.description(NATSKeys())), "How to reach NATS.") { node, file in
                var keys = NATSKeys()
                try NATSKeys.section.read(node, into: &keys)
                file.nats = try keys.natsOptions(node)
            },
            Setting("log", .section(LogKeys.section.description(LogSettings())), "What is logged.") {
                try LogKeys.section.read($0, into: &$1.log)
            },
            Setting("http", .section(HTTPKeys.section.description(nil)), "The HTTP port; without it there is none.") {
                try HTTPKeys.section.read($0, into: &$1.http)
            },
            .duration(
                "start_timeout", \.startTimeout,
                "How long the start is tried again where NATS or a store is not there yet."),
            Setting("instances", .list(.section(InstanceKeys.description)), "The components.") { node, file in
                file.instances = try node.elements().map { try InstanceKeys.read($0) }
                guard Set(file.instances.map(\.configuration.name)).count == file.instances.count else {
                    throw node.failure("two instances have the same name")
                }
                guard !file.instances.isEmpty else { throw node.failure("is empty: there is nothing to serve") }
                try Self.checkSubjects(file.instances.map(\.configuration), node)
            }.required,
        ])

    /// Everything that a file may hold.
    static let description = section.description(Configuration())
}

extension ConfigurationNode {
    /// The whole of a file.
    init(yaml: String, environment: [String: String]) throws {
        let node: Node?
        do {
            node = try compose(yaml: yaml)
        } catch {
            throw ConfigurationError("", "the file is not YAML: \(Self.sentence(error))")
        }
        guard let node else { throw ConfigurationError("", "the file is empty") }
        self.init(node: node, path: "", environment: environment)
    }

    /// What is wrong and where, without the text that is there: it may be a secret.
    private static func sentence(_ error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "line \(mark.line), column \(mark.column): \(problem)"
        case .reader(let problem, _, _, _): problem
        case .duplicatedKeysInMapping(let duplicates, let context):
            "line \(context.mark.line), column \(context.mark.column): a key stands there twice: "
                + duplicates.joined(separator: ", ")
        default: "it can't be parsed"
        }
    }
}
