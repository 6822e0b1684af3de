public import FoundationEssentials
public import Storage

/// How a ``BlockStore`` keeps bytes.
public struct BlockOptions: Sendable {
    /// Objects of more bytes are kept in blocks of this size. Not to be changed for a store that has objects.
    public var blockSize = 1 << 20
    /// For how long a block that nothing refers to is kept: four times what a put may take from its last block to its
    /// reference, and more than any two clocks differ.
    public var grace = Duration.seconds(3600)
    /// How often such blocks are looked for, where the component looks after its stores; nil: never.
    public var collectEvery: Duration? = .seconds(3600)

    /// These unless changed.
    public init() {}
}

/// A content-addressed layer: equal bytes are kept once, whatever keys have them.
///
/// Bytes are cut into blocks, each stored as `blocks/<SHA-256 in hexadecimal>` of the store beneath, and a key, stored as
/// `keys/<key>`, refers to its blocks. A put of bytes that are there already writes the reference alone. Deleting and
/// replacing leaves blocks behind that nothing refers to: ``collect()`` removes them after a grace.
///
/// Every whole block that is read is checked against its name. Keys are shorter by five bytes. What the store beneath can
/// do with conditions, expiry and message ids this one can too; metadata have a name of the layer's own among them,
/// `Storage-Blocks`.
public struct BlockStore: StoreLayer {
    let base: any Store
    let keys: PrefixedStore
    let blocks: Blocks
    let options: BlockOptions
    let hidden: HiddenMetadata
    private let schedule: CleaningSchedule

    /// Keeps keys and blocks in `base`, which holds nothing else beneath `keys/` and `blocks/`.
    ///
    /// - Parameter now: the clock by which blocks age; it must be about that of `base`.
    /// - Throws: `invalid` for a block size out of 1 KiB…64 MiB.
    public init(
        _ base: any Store, _ options: BlockOptions = BlockOptions(), now: @escaping @Sendable () -> Date = { Date.now }
    ) throws(StorageError) {
        guard BlockReference.blockSizes.contains(options.blockSize) else {
            throw StorageError(.invalid, "a block size of \(options.blockSize) is not in 1 KiB…64 MiB")
        }
        self.base = base
        self.options = options
        hidden = HiddenMetadata("Storage-Blocks", of: Self.self, over: base)
        schedule = CleaningSchedule(every: options.collectEvery, grace: options.grace)
        keys = try PrefixedStore(base, prefix: "keys")
        blocks = Blocks(store: try PrefixedStore(base, prefix: "blocks"), grace: options.grace, now: now)
    }

    /// Those of the store beneath; without compare-and-swap there, metadata can't be changed.
    public var capabilities: Capabilities { base.capabilities.hidingMetadata }

    /// The references: what lies in blocks is nobody's object.
    public var beneath: [any Store] { [keys] }

    public func shown(_ info: ObjectInfo) -> ObjectInfo? { try? BlockReference.shown(info, hidden) }

    /// Collects blocks on the schedule; nil over a store without compare-and-swap, where ``collect()`` can't.
    public var maintainer: StoreMaintainer? {
        guard base.capabilities.contains(.compareAndSwap), options.collectEvery != nil else { return nil }
        return { () async throws(StorageError) in
            if schedule.isDue { _ = try await collect() }
            return Upkeep(next: .now.addingTimeInterval(1))
        }
    }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            try options.validate()
            _ = try hidden.adding(nil, to: options.attributes)
            let started = blocks.now()
            var reader = BodyReader(body)
            var names: [Digest] = []
            while let bytes = try await reader.next(self.options.blockSize) {
                names.append(try await blocks.keep(bytes))
            }
            let digest = try await reader.finish(expected: options.expectedDigest)
            if Task.isCancelled { throw StorageError.cancelled }
            // The first ones may be old by now, and were nobody's.
            if blocks.now().timeIntervalSince(started) > self.options.grace.seconds / 4 {
                try await blocks.renew(names)
            }
            let reference = BlockReference(
                hidden: hidden, size: reader.count, digest: digest, blockSize: self.options.blockSize)
            var inner = options
            inner.expectedDigest = nil
            inner.attributes = try hidden.adding(reference.values, to: options.attributes)
            // Small objects are their one block, which their digest names already.
            let list = names.count > 1 ? names.flatMap(\.bytes) : []
            return try BlockReference.shown(
                try await keys.put(key, ObjectBody(list + BlockSalt.bytes()), options: inner), hidden)
        } catch {
            throw error.during(.put, key: key)
        }
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        do throws(StorageError) {
            let found = try await keys.get(key, options: GetOptions(ifMatch: options.ifMatch))
            let reference = try BlockReference(found.info, hidden)
            let range = try options.range?.resolve(size: reference.size) ?? 0..<reference.size
            let reader = BlockReader(
                keys: keys, blocks: blocks, info: found.info, reference: reference,
                names: try await reference.names(found.body), range: range, verify: options.verify)
            return StoredObject(info: reference.shown(found.info), range: range, body: reader.body)
        } catch {
            throw error.during(.get, key: key)
        }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try BlockReference.shown(try await keys.info(key, options: options), hidden)
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await keys.delete(key, options: options)
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        var page = try await keys.list(query)
        if let objects = page.objects {
            page.objects = []
            for info in objects { page.objects?.append(try BlockReference.shown(info, hidden)) }
        }
        return page
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            return try BlockReference.shown(
                try await hidden.setMetadata(in: keys, key, attributes, options.precondition) {
                    hidden.values($0)
                }, hidden)
        } catch {
            throw error.during(.setMetadata, key: key)
        }
    }

    /// Shuts the store beneath down.
    public func shutdown() async {
        await base.shutdown()
    }
}
