/// A store around others.
///
/// Whether a layer's changes can be followed, and whether it has to be looked after, depends on what lies beneath. So a
/// layer is no ``WatchableStore`` or ``MaintainedStore`` itself: it tells what lies beneath it, and how it shows that.
public protocol StoreLayer: Store {
    /// The stores directly beneath.
    var beneath: [any Store] { get }

    /// What the layer's users see of an object of a store beneath; nil where it is not theirs.
    func shown(_ info: ObjectInfo) -> ObjectInfo?

    /// How the layer's changes are followed; nil where that is not possible.
    var watcher: StoreWatcher? { get }

    /// How the layer itself is looked after, beside what lies beneath; nil where it need not be.
    var maintainer: StoreMaintainer? { get }
}

/// How a store is followed: ``WatchableStore/watch(_:)`` of that store, or of one beneath it.
public typealias StoreWatcher = @Sendable (WatchQuery) async throws(StorageError) -> StoreChanges

/// How a store is looked after: ``MaintainedStore/maintain()`` of that store, or of one beneath it.
public typealias StoreMaintainer = @Sendable () async throws(StorageError) -> Upkeep

extension StoreLayer {
    /// The same info: that of a layer that changes nothing of it.
    public func shown(_ info: ObjectInfo) -> ObjectInfo? { info }

    /// None: that of a layer that keeps nothing of its own.
    public var maintainer: StoreMaintainer? { nil }

    /// Follows the one store beneath, whose keys are the layer's too.
    public var watcher: StoreWatcher? {
        guard beneath.count == 1, let watch = beneath[0].anyWatcher else { return nil }
        return { (query) async throws(StorageError) in
            try await watch(query).mapped { change in shown(change) }
        }
    }
}

extension Store {
    /// Follows the store, or what lies beneath its layers; nil where nothing there can be followed.
    public var anyWatcher: StoreWatcher? {
        if let store = self as? any WatchableStore {
            return { (query) async throws(StorageError) in try await store.watch(query) }
        }
        return (self as? any StoreLayer)?.watcher
    }

    /// What looks after the store and all that lies beneath its layers; what expired is told as the store shows it.
    public var maintainers: [StoreMaintainer] {
        if let store = self as? any MaintainedStore {
            let maintain: StoreMaintainer = { () async throws(StorageError) in try await store.maintain() }
            return [maintain]
        }
        guard let layer = self as? any StoreLayer else { return [] }
        var maintainers = layer.maintainer.map { [$0] } ?? []
        for store in layer.beneath {
            for maintain in store.maintainers { maintainers.append(layer.shown(by: maintain)) }
        }
        return maintainers
    }
}

extension StoreLayer {
    fileprivate func shown(_ change: StoreChange) -> StoreChange? {
        guard case .put(let info) = change else { return change }
        return shown(info).map { .put($0) }
    }

    fileprivate func shown(by maintain: @escaping StoreMaintainer) -> StoreMaintainer {
        { () async throws(StorageError) in
            var upkeep = try await maintain()
            upkeep.expired = upkeep.expired.compactMap { shown($0) }
            return upkeep
        }
    }
}

extension StoreChanges {
    /// The same changes as a layer shows them; those that `show` makes nil of are left out.
    package func mapped(
        _ show: @escaping @Sendable (StoreChange) throws(StorageError) -> StoreChange?
    ) -> StoreChanges {
        StoreChanges { () async throws(StorageError) in
            let iterator = makeAsyncIterator()
            while let change = try await iterator.next() {
                if let shown = try show(change) { return shown }
            }
            return nil
        }
    }
}
