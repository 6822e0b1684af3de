import Storage
public import TieredStorage

/// Stores over one another, and how they work together, as the configuration says it.
public struct TieredConfiguration: Sendable {
    /// An upper tier.
    public struct Tier: Sendable {
        /// Where its copies lie.
        public var store: StoreConfiguration
        /// How much is kept there.
        public var limits: TierLimits
    }

    /// The fastest tier, if any.
    public var hot: Tier?
    /// The one below it, if any.
    public var warm: Tier?
    /// The tier that holds every object.
    public var cold: StoreConfiguration
    /// How they work together.
    public var options: TieredStore.Options

    /// Opens every tier, cold first, and starts what keeps them together; where one can't be opened, none stays open.
    func open(
        _ open: (StoreConfiguration) async throws(StorageError) -> any Store
    ) async throws(StorageError) -> any Store {
        var opened: [any Store] = []
        do throws(StorageError) {
            opened.append(try await open(cold))
            for tier in [hot, warm].compactMap(\.self) { opened.append(try await open(tier.store)) }
        } catch {
            for store in opened { await store.shutdown() }
            throw error
        }
        var uppers = opened.dropFirst()
        let hot = hot.flatMap { tier in uppers.popFirst().map { TieredStore.Upper($0, limits: tier.limits) } }
        let warm = warm.flatMap { tier in uppers.popFirst().map { TieredStore.Upper($0, limits: tier.limits) } }
        let store = TieredStore(hot: hot, warm: warm, cold: opened[0], options: options)
        store.start()
        return store
    }
}
