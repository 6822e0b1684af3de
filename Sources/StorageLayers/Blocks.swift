import FoundationEssentials
import Storage

/// The blocks of a block store, each named by its digest.
///
/// A block is as young as its last use by a put: one that finds it no longer young puts it anew, with other salt, which
/// gives it another version. So a collection that has seen it old can't remove it any more.
struct Blocks: Sendable {
    private static let touched = "Touched"

    let store: PrefixedStore
    let grace: Duration
    let now: @Sendable () -> Date

    static func key(_ name: Digest) throws(StorageError) -> ObjectKey { try ObjectKey(validating: name.hexadecimal) }

    /// The digest that a block's key names; nil for what is no block's.
    static func name(_ key: ObjectKey) -> Digest? { key.rawValue.utf8.count == 64 ? Digest(key.rawValue) : nil }

    /// Sees to it that a block of these bytes is there and young; its name.
    func keep(_ bytes: [UInt8]) async throws(StorageError) -> Digest {
        let hash = ParallelHash()
        await hash.update(bytes)
        let name = await hash.finalize()
        try await keep(name, bytes)
        return name
    }

    /// Makes blocks young that were kept before.
    ///
    /// - Throws: `unavailable` where one is gone meanwhile.
    func renew(_ names: [Digest]) async throws(StorageError) {
        for name in Set(names) {
            guard try await keep(name, nil) else {
                throw StorageError(
                    .unavailable, "the upload took longer than the blocks' grace of \(grace); put the object again")
            }
        }
    }

    /// Whether it is there now. Nothing is written where it is there and young.
    @discardableResult
    private func keep(_ name: Digest, _ bytes: [UInt8]?) async throws(StorageError) -> Bool {
        let key = try Self.key(name)
        for _ in 0..<100 {
            do throws(StorageError) {
                let info = try await store.info(key)
                let isYoung = now().timeIntervalSince(Self.freshness(info)) < grace.seconds / 4
                if isYoung && bytes.map({ Self.isWhole(info, $0.count, name) }) ?? true { return true }
                if try await renew(info, name, bytes) { return true }
            } catch  where error.kind == .notFound {
                guard let bytes else { return false }
                let isNew = Precondition.absent
                let precondition = store.capabilities.contains(.createOnly) ? isNew : .none
                if try await put(key, bytes, precondition) { return true }
            }
        }
        throw StorageError(.unavailable, "the block \(key) is put and removed all the time; try again")
    }

    /// Whether a block has its bytes, as far as its info tells.
    private static func isWhole(_ info: ObjectInfo, _ count: Int, _ name: Digest) -> Bool {
        // Written before there was salt, its own digest is its name.
        info.size == count + BlockSalt.size || info.size == count && (info.digest ?? name) == name
    }

    /// Puts a block anew, which makes it young; false where somebody else changed it meanwhile.
    private func renew(_ info: ObjectInfo, _ name: Digest, _ bytes: [UInt8]?) async throws(StorageError) -> Bool {
        let isMatched = store.capabilities.contains(.compareAndSwap)
        var content = bytes
        if content == nil { content = await Self.content(try await store.bytes(info.key), of: name) }
        guard let content else { throw StorageError(.internal, "the block \(info.key) is damaged") }
        let attributes = ObjectAttributes(metadata: [Self.touched: [String(now().timeIntervalSince1970)]])
        return try await put(info.key, content, isMatched ? .matches(info.version) : .none, attributes)
    }

    /// The bytes that the name tells, out of what is stored; nil where they are not there.
    static func content(_ stored: [UInt8], of name: Digest) async -> [UInt8]? {
        for content in [stored.dropLast(BlockSalt.size), stored[...]] {
            let bytes = Array(content)
            let hash = ParallelHash()
            await hash.update(bytes)
            if await hash.finalize() == name { return bytes }
        }
        return nil
    }

    private func put(
        _ key: ObjectKey, _ bytes: [UInt8], _ precondition: Precondition,
        _ attributes: ObjectAttributes = ObjectAttributes()
    ) async throws(StorageError) -> Bool {
        try await unlessChanged { () async throws(StorageError) in
            let options = PutOptions(precondition: precondition, attributes: attributes)
            _ = try await store.put(key, ObjectBody(bytes + BlockSalt.bytes()), options: options)
        }
    }

    private func unlessChanged(_ body: () async throws(StorageError) -> Void) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            try await body()
            return true
        } catch  where error.kind == .preconditionFailed || error.kind == .notFound {
            return false
        }
    }

    /// When a put last used the block.
    static func freshness(_ info: ObjectInfo) -> Date {
        let seconds = info.attributes.metadata[touched]?.first.flatMap { Double($0) } ?? 0
        return max(info.modified, Date(timeIntervalSince1970: seconds))
    }
}
