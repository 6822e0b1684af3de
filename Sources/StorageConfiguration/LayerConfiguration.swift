public import Storage
import StorageLayers
import Yams

/// A layer around a store, as the configuration says it.
public struct LayerConfiguration: Sendable {
    /// What the file calls it.
    public let name: String
    private let make: @Sendable (any Store) throws(StorageError) -> any Store

    init(_ name: String, _ make: @escaping @Sendable (any Store) throws(StorageError) -> any Store) {
        self.name = name
        self.make = make
    }

    /// Reads `name`, or `{name: {option: value, …}}`.
    init(_ node: ConfigurationNode) throws {
        let (type, options) = try node.layerType()
        self = try type.read(options)
    }

    /// The layer around `store`.
    public func around(_ store: any Store) throws(StorageError) -> any Store { try make(store) }
}

extension ConfigurationNode {
    /// The kind of a layer, and its options, which may be missing.
    func layerType() throws -> (LayerType, ConfigurationNode) {
        let known = LayerType.all.map(\.name).joined(separator: ", ")
        if let mapping = node.mapping {
            let fields = try fields(LayerType.all.map(\.name))
            guard mapping.count == 1, let (name, options) = fields.first,
                let type = LayerType.all.first(where: { $0.name == name })
            else { throw failure("is not one layer: each is an element of its own, one of \(known)") }
            return (type, options.orEmpty)
        }
        let name = try string()
        guard let type = LayerType.all.first(where: { $0.name == name }) else {
            throw failure("“\(name)” is none of \(known)")
        }
        return (type, ConfigurationNode(node: .mapping([:]), path: path, environment: environment))
    }

    /// The node, or an empty mapping where nothing was written.
    private var orEmpty: ConfigurationNode {
        let isNothing = node.scalar.map { ["", "~", "null"].contains($0.string) } ?? false
        return isNothing ? ConfigurationNode(node: .mapping([:]), path: path, environment: environment) : self
    }
}
