import FoundationEssentials
public import Storage

extension BlockStore {
    /// What a collection did.
    public struct Collection: Sendable, Hashable {
        /// Blocks that nothing referred to.
        public internal(set) var removed = 0
        /// Their bytes.
        public internal(set) var removedBytes = 0
    }

    /// What a check found.
    public struct Check: Sendable, Hashable {
        /// How many blocks were read.
        public internal(set) var checked = 0
        /// The digests that the names of damaged blocks tell.
        public internal(set) var damaged: [Digest] = []
    }

    /// How many blocks are looked at together: what memory a collection takes.
    private static let blocksAtOnce = 1 << 18

    /// Removes blocks that have been of no object for the grace. Puts may go on beside it: what they refer to stays.
    ///
    /// - Throws: `unsupported` over a store without compare-and-swap, which alone tells a block that a put has just come
    ///   to use; `internal` where a reference can't be read, after which nothing more is removed.
    public func collect() async throws(StorageError) -> Collection {
        guard base.capabilities.contains(.compareAndSwap) else {
            throw StorageError(.unsupported, "blocks can be collected only from a store that can compare and swap")
        }
        var collection = Collection()
        var next: String? = ""
        while let start = next {
            // Whoever uses a block as old as that has renewed it, or has put its reference by now.
            let limit = blocks.now().addingTimeInterval(-options.grace.seconds)
            var candidates: [Digest: ObjectInfo]
            (candidates, next) = try await oldBlocks(before: limit, from: start)
            if candidates.isEmpty { continue }
            try await forEachReference { candidates[$0] = nil }
            for (_, block) in candidates where try await remove(block) {
                collection.removed += 1
                collection.removedBytes.addSize(block.size)
            }
        }
        return collection
    }

    private func oldBlocks(
        before limit: Date, from start: String
    ) async throws(StorageError) -> (found: [Digest: ObjectInfo], next: String?) {
        var found: [Digest: ObjectInfo] = [:]
        for try await page in blocks.store.pages(ListQuery(startAfter: start, details: true)) {
            for info in page.objects ?? [] where Blocks.freshness(info) < limit {
                if let name = Blocks.name(info.key) { found[name] = info }
            }
            if found.count >= Self.blocksAtOnce { return (found, page.next) }
        }
        return (found, nil)
    }

    private func forEachReference(_ body: (Digest) -> Void) async throws(StorageError) {
        for try await info in keys.infos() {
            let reference = try BlockReference(info, hidden)
            if reference.size <= reference.blockSize {
                body(reference.digest)
            } else {
                for name in try await names(info.key) { body(name) }
            }
        }
    }

    /// The names of the blocks that a key refers to now; none where it is gone.
    private func names(_ key: ObjectKey) async throws(StorageError) -> [Digest] {
        do throws(StorageError) {
            let found = try await keys.get(key)
            return try await BlockReference(found.info, hidden).names(found.body)
        } catch  where error.kind == .notFound {
            return []
        }
    }

    /// Whether it was still the one that was found.
    private func remove(_ block: ObjectInfo) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            return try await blocks.store.delete(
                block.key, options: DeleteOptions(precondition: .matches(block.version)))
        } catch  where error.kind == .preconditionFailed {
            return false
        }
    }

    /// Reads every block and hashes it again.
    ///
    /// - Parameter removingDamaged: whether damaged ones go, so that the next put of their bytes stores them anew. Objects
    ///   that refer to them can't be read in any case.
    public func check(removingDamaged: Bool = false) async throws(StorageError) -> Check {
        var check = Check()
        for try await key in blocks.store.keys() {
            guard let name = Blocks.name(key), let isSound = try await isSound(key, name) else { continue }
            check.checked += 1
            if isSound { continue }
            check.damaged.append(name)
            if removingDamaged { try await blocks.store.delete(key) }
        }
        return check
    }

    /// Nil for one that is gone.
    private func isSound(_ key: ObjectKey, _ name: Digest) async throws(StorageError) -> Bool? {
        do throws(StorageError) {
            let stored = try await blocks.store.get(key, options: GetOptions(verify: false)).body
            let most = BlockReference.blockSizes.upperBound + BlockSalt.size
            return await Blocks.content(try await stored.collect(upTo: most), of: name) != nil
        } catch  where error.kind == .notFound {
            return nil
        } catch  where error.kind == .internal || error.kind == .tooLarge {
            // The store beneath has found the damage itself, or there is more than any block has.
            return false
        }
    }
}
