public import FileStorage
public import FoundationEssentials
public import GCSStorage
public import JetStreamStorage
public import Logging
public import NATS
public import S3Storage
public import SQLiteStorage
public import Storage
import StorageLayers
import Yams

/// Which store stands behind an instance: a backend, or layers around a store.
public indirect enum StoreConfiguration: Sendable {
    /// In memory, gone with the process.
    case memory(MemoryStore.Limits)
    /// A NATS object store.
    case jetStream(BucketConfiguration)
    /// Files in a folder.
    case file(FileStoreConfiguration)
    /// One SQLite file.
    case sqlite(SQLiteStoreConfiguration)
    /// A bucket of S3, or of a server that speaks it.
    case s3(S3Configuration)
    /// A bucket of Google Cloud Storage.
    case gcs(GCSConfiguration)
    /// A store that holds everything, and copies in one or two faster ones above it.
    case tiered(TieredConfiguration)
    /// A store with layers around it, the outermost last.
    case layered(StoreConfiguration, [LayerConfiguration])

    init(_ node: ConfigurationNode) throws {
        let (store, layers) = (try node.storeType().read(node), try node.field("layers"))
        self = store.with(try layers?.elements().map { try LayerConfiguration($0) } ?? [])
    }

    /// What the file calls its type.
    public var typeName: String {
        switch self {
        case .memory: "memory"
        case .jetStream: "jetstream"
        case .file: "file"
        case .sqlite: "sqlite"
        case .s3: "s3"
        case .gcs: "gcs"
        case .tiered: "tiered"
        case .layered(let base, _): base.typeName
        }
    }

    /// The store with these layers around it.
    func with(_ layers: [LayerConfiguration]) -> StoreConfiguration {
        layers.isEmpty ? self : .layered(self, layers)
    }

    /// Opens the store.
    ///
    /// - Parameters:
    ///   - control: for requests and metadata.
    ///   - bulk: for large bodies.
    ///   - environment: where credentials are looked up that are not configured.
    public func open(
        control: NATSConnection, bulk: NATSConnection, logger: Logger,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws(StorageError) -> any Store {
        switch self {
        case .memory(let limits):
            return MemoryStore(
                limits: limits,
                onEviction: { info in
                    logger.debug("evicted", metadata: ["key": "\(info.key)", "size": "\(info.size)"])
                })
        case .jetStream(let bucket):
            return try await JetStreamStore.open(bucket, control: control, bulk: bulk, logger: logger)
        case .file(let configuration):
            return try await FileStore.open(configuration)
        case .sqlite(let configuration):
            return try await SQLiteStore.open(configuration)
        case .s3(let bucket):
            return try await S3Store.open(bucket, environment: environment, logger: logger)
        case .gcs(let bucket):
            return try await GCSStore.open(bucket, environment: environment)
        case .tiered(let tiers):
            return try await tiers.open { (tier) async throws(StorageError) in
                try await tier.open(control: control, bulk: bulk, logger: logger, environment: environment)
            }
        case .layered(let base, let layers):
            var store = try await base.open(control: control, bulk: bulk, logger: logger, environment: environment)
            for layer in layers { store = try layer.around(store) }
            return store
        }
    }
}

extension ConfigurationNode {
    /// The kind of a store, on which its other keys depend.
    func storeType() throws -> StoreType {
        guard let node = try field("type") else { throw failure("has no type") }
        let type = try node.string()
        guard let known = StoreType.all.first(where: { $0.name == type }) else {
            throw failure("type “\(type)” is none of \(StoreType.all.map(\.name).joined(separator: ", "))")
        }
        return known
    }

    /// One field of a mapping, whatever others it has.
    func field(_ name: String) throws -> ConfigurationNode? {
        guard let mapping = node.mapping else { throw failure("is not a mapping") }
        return mapping[Node(name)].map {
            ConfigurationNode(node: $0, path: path.isEmpty ? name : "\(path).\(name)", environment: environment)
        }
    }
}
