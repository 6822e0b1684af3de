import Crypto
public import Storage

/// How an ``EncryptedStore`` treats objects.
public struct EncryptionOptions: Sendable {
    /// How much of an object is sealed at a time: what is decrypted at least for a part of it. 1 KiB to 16 MiB.
    public var chunkSize = 64 << 10
    /// Whether objects that are not encrypted are read as they are: those of before the layer. Off: whoever can write
    /// to the store beneath could put his own in an encrypted one's place.
    public var readsPlaintext = false

    /// These unless changed.
    public init() {}
}

/// A layer that keeps the bytes of objects encrypted, with AES-256-GCM.
///
/// Each object has a random key of its own, which is kept with it, sealed under the current one of the layer's keys, as
/// metadata of the name `Storage-Encrypted`. A change of the stored bytes, a chunk left out or moved, or another object's
/// bytes are `internal` errors when they are read. Size and digest told are those of the content; of a part only the
/// chunks are read that hold it. Not encrypted are keys, sizes, times and attributes. An earlier version put back whole
/// is not noticed.
///
/// Keys are rotated by making another one the current one: what was written before is read with its own, as long as that
/// is among the keys, and ``rotate(prefix:progress:)`` seals the objects' keys anew without reading their bytes. A streamed
/// body is encrypted into memory, or a temporary file beyond 1 MiB, before it is put. A second such layer over this one
/// uses another name.
public struct EncryptedStore: StoreLayer {
    private let base: any Store
    private let keys: EncryptionKeys
    private let options: EncryptionOptions
    private let hidden: HiddenMetadata
    private let headers = OpenedHeaders()

    /// `base`, with what it stores encrypted.
    public init(_ base: any Store, keys: EncryptionKeys, _ options: EncryptionOptions = EncryptionOptions()) {
        self.base = base
        self.keys = keys
        self.options = options
        hidden = HiddenMetadata("Storage-Encrypted", of: Self.self, over: base)
    }

    /// Those of the store beneath; without compare-and-swap there, metadata can't be changed either.
    public var capabilities: Capabilities { base.capabilities.hidingMetadata }

    public var beneath: [any Store] { [base] }

    public func shown(_ info: ObjectInfo) -> ObjectInfo? { listed(info) }

    // MARK: Writes

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            _ = try hidden.adding(nil, to: options.attributes)
            let (sealed, object) = try await sealed(body, options.expectedDigest)
            var inner = options
            inner.expectedDigest = nil
            let values = try object.values(keys, key)
            inner.attributes = try hidden.adding(values, to: options.attributes)
            let info = try await base.put(key, sealed, options: inner)
            // Of a message id that was known it is another object.
            return hidden.values(info) == values ? object.shown(info) : listed(info)
        } catch {
            throw error.during(.put, key: key)
        }
    }

    private func sealed(
        _ body: ObjectBody, _ expected: Storage.Digest?
    ) async throws(StorageError) -> (ObjectBody, EncryptedObject) {
        let objectKey = SymmetricKey(size: .bits256)
        let chunkSize = min(max(options.chunkSize, 1 << 10), 16 << 20)
        var (reader, spool) = (BodyReader(body), Spool())
        var chunk = try await reader.next(chunkSize) ?? []
        var index = 0
        while true {
            let next = try await reader.next(chunkSize)
            try await spool.append(try EncryptedObject.seal(chunk, index, isLast: next == nil, objectKey))
            guard let next else { break }
            chunk = next
            index += 1
        }
        let digest = try await reader.finish(expected: expected)
        let object = EncryptedObject(
            hidden: hidden, size: reader.count, digest: digest, chunkSize: chunkSize, key: objectKey)
        return (try await spool.body(), object)
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await base.delete(key, options: options)
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            let info = try await hidden.setMetadata(in: base, key, attributes, options.precondition) {
                (info) throws(StorageError) in
                try opened(info)?.values(keys, key)
            }
            return try clear(info)
        } catch {
            throw error.during(.setMetadata, key: key)
        }
    }

    /// Seals the object's key under the current one; its bytes stay as they are. Whether that was needed.
    ///
    /// - Throws: `notFound`; `unsupported` where the store beneath can't change metadata or compare versions.
    public func rotate(_ key: ObjectKey) async throws(StorageError) -> Bool {
        while true {
            let info = try await base.info(key)
            guard let values = hidden.values(info), values.dropFirst().first != keys.current else {
                return false
            }
            var attributes = info.attributes
            attributes.metadata[hidden.name] = nil
            do throws(StorageError) {
                let options = SetMetadataOptions(precondition: .matches(info.version))
                _ = try await setMetadata(key, attributes, options: options)
                return true
            } catch  where error.kind == .preconditionFailed {
                // Somebody wrote it meanwhile.
                continue
            }
        }
    }

    /// How far a rotation is.
    public struct Rotation: Sendable {
        /// The objects whose keys were sealed anew.
        public internal(set) var rotated = 0
        /// Those that needed nothing, or were gone.
        public internal(set) var untouched = 0
        /// Those that could not be; the others were done all the same.
        public internal(set) var failed = 0
        /// Why the first of them could not.
        public internal(set) var failure: StorageError?
    }

    /// Rotates the key of every object whose key begins with `prefix`; after one without failures the keys that were used
    /// before are needed no more.
    ///
    /// - Parameter progress: told after each page of the listing.
    /// - Throws: what listing throws. Where it ended early it is run again: what was done needs nothing then.
    public func rotate(
        prefix: String, progress: (Rotation) -> Void = { _ in }
    ) async throws(StorageError) -> Rotation {
        var rotation = Rotation()
        for try await page in base.pages(ListQuery(prefix: prefix)) {
            for key in page.keys {
                do throws(StorageError) {
                    if try await rotate(key) { rotation.rotated += 1 } else { rotation.untouched += 1 }
                } catch  where error.kind == .notFound {
                    rotation.untouched += 1
                } catch  where error.kind != .cancelled {
                    rotation.failed += 1
                    rotation.failure = rotation.failure ?? error
                }
            }
            progress(rotation)
        }
        return rotation
    }

    // MARK: Reads

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        do throws(StorageError) {
            guard let range = options.range else {
                // What is sealed is verified chunk by chunk.
                var found = try await base.get(key, options: GetOptions(ifMatch: options.ifMatch, verify: false))
                if let object = try opened(found.info) {
                    try object.open(&found)
                    return found
                }
                guard options.verify else { return found }
                // Before it is opened again: it may hold what the next one waits for.
                found.body = ObjectBody([])
                return try await plain(key, options)
            }
            return try await part(key, range, options)
        } catch {
            throw error.during(.get, key: key)
        }
    }

    private func part(
        _ key: ObjectKey, _ range: ByteRange, _ options: GetOptions
    ) async throws(StorageError) -> StoredObject {
        for _ in 0..<100 {
            let info = try await base.info(key, options: InfoOptions(ifMatch: options.ifMatch))
            guard let object = try opened(info) else { return try await plain(key, options) }
            let bytes = try range.resolve(size: object.size)
            let chunks = bytes.lowerBound / object.chunkSize..<(bytes.upperBound - 1) / object.chunkSize + 1
            let stride = object.chunkSize + EncryptedObject.tagSize
            let end = min(chunks.upperBound * stride, object.sealedSize)
            do throws(StorageError) {
                let options = GetOptions(
                    range: .bounded(first: chunks.lowerBound * stride, last: end - 1), ifMatch: info.version,
                    verify: false)
                let found = try await base.get(key, options: options)
                let content = try DecryptingBody.body(found.body, object, chunks)
                let start = chunks.lowerBound * object.chunkSize
                return StoredObject(
                    info: object.shown(info), range: bytes,
                    body: content.slice(bytes.lowerBound - start..<bytes.upperBound - start))
            } catch  where error.kind == .preconditionFailed && options.ifMatch == nil {
                // Another version came between; unless the caller wants this one, its part does.
                continue
            } catch  where error.kind == .rangeNotSatisfiable {
                throw EncryptedObject.damaged("chunks are missing at its end")
            }
        }
        throw StorageError(.unavailable, "the object changes so fast that no part of it can be read; try again")
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            return try clear(try await base.info(key, options: options))
        } catch {
            throw error.during(.info, key: key)
        }
    }

    /// Infos of objects that can't be opened are listed as they are stored.
    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        var page = try await base.list(query)
        page.objects = page.objects?.map { listed($0) }
        return page
    }

    public func shutdown() async {
        await base.shutdown()
    }

    /// What the object is in clear text; nil where it is plain and may be.
    private func opened(_ info: ObjectInfo) throws(StorageError) -> EncryptedObject? {
        if let object = try EncryptedObject(info, hidden, keys, headers) { return object }
        guard options.readsPlaintext else {
            throw StorageError(
                .internal, "the object is not encrypted; allow plaintext to read what was stored before encryption")
        }
        return nil
    }

    private func plain(_ key: ObjectKey, _ options: GetOptions) async throws(StorageError) -> StoredObject {
        let found = try await base.get(key, options: options)
        // Written anew meanwhile, by somebody who encrypts.
        guard hidden.values(found.info) == nil else {
            throw StorageError(.unavailable, "the object was encrypted while it was read; read it again")
        }
        return found
    }

    private func clear(_ info: consuming ObjectInfo) throws(StorageError) -> ObjectInfo {
        try opened(info)?.show(in: &info)
        return info
    }

    private func listed(_ info: consuming ObjectInfo) -> ObjectInfo {
        (try? EncryptedObject(info, hidden, keys, headers))?.show(in: &info)
        return info
    }
}
