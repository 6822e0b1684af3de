import FoundationEssentials
import Storage

/// The blocks of a block store, each named by its digest.
///
/// A block is as young as its last use by a put: one that finds it no longer young renews it, which gives it another
/// version. So a collection that has seen it old can't remove it any more.
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
                let isWhole = (bytes == nil || info.size == bytes?.count) && (info.digest ?? name) == name
                if isWhole && now().timeIntervalSince(Self.freshness(info)) < grace.seconds / 4 { return true }
                if try await renew(info, isWhole ? nil : bytes) { return true }
            } catch  where error.kind == .notFound {
                guard let bytes else { return false }
                let isNew = Precondition.absent
                let precondition = store.capabilities.contains(.createOnly) ? isNew : .none
                if try await put(key, bytes, precondition) { return true }
            }
        }
        throw StorageError(.unavailable, "the block \(key) is put and removed all the time; try again")
    }

    /// Makes a block young, or replaces it by whole bytes; false where somebody else changed it meanwhile.
    private func renew(_ info: ObjectInfo, _ bytes: [UInt8]?) async throws(StorageError) -> Bool {
        let capabilities = store.capabilities
        let isMatched = capabilities.contains(.compareAndSwap)
        let precondition: Precondition = isMatched ? .matches(info.version) : .none
        if let bytes { return try await put(info.key, bytes, precondition) }
        guard capabilities.contains(.metadataUpdate) else {
            return try await put(info.key, try await store.bytes(info.key), precondition)
        }
        let time = String(now().timeIntervalSince1970)
        return try await unlessChanged { () async throws(StorageError) in
            _ = try await store.setMetadata(
                info.key, ObjectAttributes(metadata: [Self.touched: [time]]),
                options: SetMetadataOptions(precondition: precondition))
        }
    }

    private func put(
        _ key: ObjectKey, _ bytes: [UInt8], _ precondition: Precondition
    ) async throws(StorageError) -> Bool {
        try await unlessChanged { () async throws(StorageError) in
            let options = PutOptions(precondition: precondition, expectedDigest: Self.name(key))
            _ = try await store.put(key, ObjectBody(bytes), options: options)
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
