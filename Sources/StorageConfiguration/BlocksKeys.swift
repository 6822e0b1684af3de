import Storage
import StorageLayers

/// The keys of a `blocks` store: those of the layer of that name, and the store around which it is put.
struct BlocksKeys: Sendable {
    private var store: StoreConfiguration?
    private var options = BlockOptions()

    static let section = Section<BlocksKeys>(
        LayerType.blocks.summary,
        [Setting("store", .store, "Where the blocks lie.") { $1.store = try StoreConfiguration($0) }.required]
            + LayerType.blocks.settings.map { $0.within(\.options) })

    /// What the keys say together.
    func store(_ node: ConfigurationNode) throws -> StoreConfiguration {
        guard let store else { throw node.failure("has no store") }
        let options = options
        return store.with([
            LayerConfiguration("blocks") { (store) throws(StorageError) in try BlockStore(store, options) }
        ])
    }
}
