public import Logging
public import NATS
import JetStreamStorage
import Storage
public import StorageService
import StorageWire
import Yams

/// What a configuration file says: a server, a log, instances.
public struct Configuration: Sendable {
    /// How to reach NATS.
    public var nats = NATSOptions()
    /// What is logged.
    public var logLevel = Logger.Level.info
    /// The instances, each with its store.
    public var instances: [(configuration: InstanceConfiguration, store: StoreConfiguration)]

    /// One instance over `store`.
    public init(instance: InstanceConfiguration, store: StoreConfiguration) {
        instances = [(instance, store)]
    }

    /// Parses YAML.
    ///
    /// - Throws: ``ConfigurationError`` that names the path of what is wrong: an unknown key, a wrong type, a value
    ///   out of range.
    public init(yaml: String, environment: [String: String]) throws {
        let node: Node?
        do {
            node = try compose(yaml: yaml)
        } catch {
            throw ConfigurationError("", "the file is not YAML: \(error)")
        }
        guard let node else { throw ConfigurationError("", "the file is empty") }
        let fields = try ConfigurationNode(node: node, path: "", environment: environment)
            .fields("nats", "log", "instances")
        if let nats = fields["nats"] { self.nats = try NATSOptions(nats) }
        if let log = fields["log"] { logLevel = try Self.level(log) }
        guard let list = fields["instances"] else { throw ConfigurationError("instances", "is missing") }
        instances = try list.elements().map { try Self.instance($0) }
        guard Set(instances.map(\.configuration.name)).count == instances.count else {
            throw list.failure("two instances have the same name")
        }
    }

    private static func level(_ node: ConfigurationNode) throws -> Logger.Level {
        let levels = Dictionary(uniqueKeysWithValues: Logger.Level.allCases.map { ($0.rawValue, $0) })
        return try node.fields("level")["level"]?.choice(levels) ?? .info
    }

    private static func instance(
        _ node: ConfigurationNode
    ) throws -> (configuration: InstanceConfiguration, store: StoreConfiguration) {
        let fields = try node.fields("name", "store", "keys", "metadata", "limits", "ports")
        var instance: InstanceConfiguration
        do {
            instance = try InstanceConfiguration(name: fields["name"]?.string() ?? "objectstore")
            if let keys = fields["keys"] { instance.keyGenerator = try keyGenerator(keys) }
            if let metadata = fields["metadata"] { instance.metadataExtractor = try metadataExtractor(metadata) }
        } catch let error as StorageError {
            throw node.failure(error.message)
        }
        if let limits = fields["limits"] { try Self.limits(limits, &instance) }
        if let ports = fields["ports"] { try Self.ports(ports, &instance) }
        guard let store = fields["store"] else { throw node.failure("has no store") }
        return (instance, try StoreConfiguration(store))
    }

    private static func limits(_ node: ConfigurationNode, _ instance: inout InstanceConfiguration) throws {
        let fields = try node.fields("max_object_size", "max_in_flight", "request_timeout", "max_uploads")
        if let size = fields["max_object_size"] { instance.limits.maxObjectSize = try size.size() }
        if let count = fields["max_in_flight"] { instance.limits.maxInFlight = try count.integer(in: 1...65_536) }
        if let count = fields["max_uploads"] { instance.limits.maxUploads = try count.integer(in: 1...4096) }
        if let timeout = fields["request_timeout"] { instance.limits.requestTimeout = try timeout.duration() }
    }

    private static func ports(_ node: ConfigurationNode, _ instance: inout InstanceConfiguration) throws {
        let directions = try node.fields("inputs", "outputs")
        let outputs: Set<Port> = [.events, .stored]
        for (direction, list) in directions {
            for entry in list.elements() {
                let fields = try entry.fields("name", "type", "subject", "stream", "durable")
                let known = Port.allCases.filter { outputs.contains($0) == (direction == "outputs") }
                guard let name = fields["name"] else { throw entry.failure("has no name") }
                let port = try name.choice(Dictionary(uniqueKeysWithValues: known.map { ($0.rawValue, $0) }))
                try Self.port(port, fields, entry, &instance)
            }
        }
    }

    private static func port(
        _ port: Port, _ fields: [String: ConfigurationNode], _ node: ConfigurationNode,
        _ instance: inout InstanceConfiguration
    ) throws {
        let subject = try fields["subject"]?.string()
        let type = try fields["type"]?.string()
        if port == .write, type == "jetstream" {
            guard let stream = try fields["stream"]?.string() else { throw node.failure("has no stream") }
            let durable = try fields["durable"]?.string() ?? "storage-\(instance.name)"
            instance.stream = .init(stream: stream, subject: subject, durable: durable)
            return
        }
        if let other = fields["stream"] ?? fields["durable"] {
            throw other.failure("belongs to a write port of type jetstream")
        }
        let known = Port.requests.contains(port) ? "request" : "core"
        guard type == nil || type == known else {
            throw node.failure("type “\(type ?? "")” of port \(port.rawValue) is not \(known)")
        }
        if let subject { instance.setSubject(subject, of: port) }
    }

    private static func keyGenerator(_ node: ConfigurationNode) throws -> any KeyGenerator {
        let fields = try node.fields("generator", "prefix", "header", "field", "generators")
        let prefix = try fields["prefix"]?.string()
        switch try fields["generator"]?.string() ?? "time" {
        case "time": return try TimeKeyGenerator(prefix: prefix ?? "message")
        case "entity":
            return try EntityKeyGenerator(
                prefix: prefix ?? "entity", header: fields["header"]?.string() ?? "Storage-Entity",
                field: fields["field"]?.string() ?? "entity_id")
        case "nuid": return try NUIDKeyGenerator(prefix: prefix)
        case "digest": return try DigestKeyGenerator(prefix: prefix)
        case "composite":
            return CompositeKeyGenerator(try fields["generators"]?.elements().map(keyGenerator) ?? [])
        default: throw node.failure("generator is none of time, entity, nuid, digest, composite")
        }
    }

    private static func metadataExtractor(_ node: ConfigurationNode) throws -> any MetadataExtractor {
        let fields = try node.fields("extractor", "names", "fields", "extractors")
        switch try fields["extractor"]?.string() ?? "headers" {
        case "headers":
            return HeaderMetadataExtractor(names: try fields["names"]?.elements().map { try $0.string() } ?? [])
        case "json":
            return JSONMetadataExtractor(fields: try fields["fields"]?.elements().map { try $0.string() } ?? [])
        case "none": return NoMetadataExtractor()
        case "composite":
            return CompositeMetadataExtractor(try fields["extractors"]?.elements().map(metadataExtractor) ?? [])
        default: throw node.failure("extractor is none of headers, json, none, composite")
        }
    }
}

extension NATSOptions {
    init(_ node: ConfigurationNode) throws {
        self.init()
        let fields = try node.fields("url", "credentials", "nkey", "user", "password", "token", "tls")
        if let url = fields["url"] { urls = try url.elements().map { try $0.string() } }
        if let file = fields["credentials"] { credentials = .credentialsFile(try file.string()) }
        if let file = fields["nkey"] { credentials = .nkey(seedFile: try file.string()) }
        if let token = fields["token"] { credentials = .token(try token.secret()) }
        if let user = fields["user"] {
            credentials = .userPassword(try user.string(), try fields["password"]?.secret() ?? "")
        }
        guard let secured = fields["tls"] else { return }
        let files = try secured.fields("ca", "certificate", "key")
        var tls = NATSOptions.TLS()
        tls.ca = try files["ca"]?.string()
        tls.certificate = try files["certificate"]?.string()
        tls.key = try files["key"]?.string()
        self.tls = tls
    }
}
