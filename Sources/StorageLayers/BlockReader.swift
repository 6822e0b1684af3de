import Storage
import Synchronization

/// Reads an object's blocks one after the other as they are asked for.
final class BlockReader: Sendable {
    private let keys: PrefixedStore
    private let blocks: Blocks
    private let info: ObjectInfo
    private let reference: BlockReference
    private let names: [Digest]
    private let verify: Bool
    private let rest: Mutex<Range<Int>>

    init(
        keys: PrefixedStore, blocks: Blocks, info: ObjectInfo, reference: BlockReference, names: [Digest],
        range: Range<Int>, verify: Bool
    ) {
        self.keys = keys
        self.blocks = blocks
        self.info = info
        self.reference = reference
        self.names = names
        self.verify = verify
        rest = Mutex(range)
    }

    var body: ObjectBody {
        ObjectBody(size: rest.withLock { $0.count }) { () async throws(StorageError) in try await self.next() }
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        let rest = rest.withLock { $0 }
        if rest.isEmpty { return nil }
        let place = rest.lowerBound / reference.blockSize
        let start = place * reference.blockSize
        let size = min(reference.blockSize, reference.size - start)
        let part = rest.lowerBound - start..<min(rest.upperBound - start, size)
        let bytes = try await read(names[place], part, of: size)
        self.rest.withLock { $0 = rest.dropFirst(bytes.count) }
        return bytes
    }

    private func read(_ name: Digest, _ part: Range<Int>, of size: Int) async throws(StorageError) -> [UInt8] {
        do throws(StorageError) {
            var options = GetOptions(verify: false)
            if part.count < size { options.range = .bounded(first: part.lowerBound, last: part.upperBound - 1) }
            let block = try await blocks.store.get(try Blocks.key(name), options: options)
            var bytes = try await block.body.collect(upTo: size + BlockSalt.size)
            if part.count == size { BlockSalt.remove(from: &bytes, leaving: size) }
            guard bytes.count == part.count, try await isSound(bytes, name, part.count == size) else {
                throw damaged("does not hold what its name says")
            }
            return bytes
        } catch  where error.kind == .notFound {
            throw try await missing()
        } catch  where error.kind == .tooLarge || error.kind == .rangeNotSatisfiable {
            throw damaged("is of another size")
        }
    }

    private func isSound(_ bytes: [UInt8], _ name: Digest, _ isWhole: Bool) async throws(StorageError) -> Bool {
        guard verify && isWhole else { return true }
        let hash = ParallelHash()
        await hash.update(bytes)
        return await hash.finalize() == name
    }

    /// Why a block is not there: the object was replaced or deleted while it was read, or it is damaged.
    private func missing() async throws(StorageError) -> StorageError {
        do throws(StorageError) {
            if try await keys.info(info.key).version == info.version { return damaged("is missing") }
        } catch  where error.kind == .notFound {}
        return StorageError(
            .unavailable, "the object was replaced or deleted while it was read; get it again", key: info.key.rawValue)
    }

    private func damaged(_ flaw: String) -> StorageError {
        StorageError(.internal, "“\(info.key)” is damaged: a block of it \(flaw)", key: info.key.rawValue)
    }
}
