import Compression
public import Storage

/// A layer that stores objects compressed and gives them back as they were: size, digest, content and ranges are
/// those of the content.
///
/// Which objects are compressed is kept with them, as metadata of the name `Storage-Compressed`: those stored before, or
/// past the layer, are read as they are. Small ones, those that have a content encoding already, and those at hand that
/// compression would not make smaller are stored as they are. A streamed body is compressed into memory, or a temporary
/// file beyond 1 MiB, before it is put. A part of a compressed object is cut out of the whole, which is read up to its end.
public struct CompressedStore: StoreLayer {
    /// A body at hand of so many bytes is compressed in one piece.
    private static let atOnce = 64 << 10

    private let base: any Store
    private let options: CompressionOptions

    /// `base`, with what it stores compressed.
    public init(_ base: any Store, _ options: CompressionOptions = CompressionOptions()) {
        self.base = base
        self.options = options
    }

    /// Those of the store beneath; without compare-and-swap there, metadata can't be changed either.
    public var capabilities: Capabilities { base.capabilities.hidingMetadata }

    public var beneath: [any Store] { [base] }

    public func shown(_ info: ObjectInfo) -> ObjectInfo? { CompressedObject.shown(info) }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            _ = try CompressedObject.hidden.adding(nil, to: options.attributes)
            guard options.attributes.contentEncoding == nil, (body.size ?? .max) >= self.options.minimumSize,
                let (compressed, object) = try await compressed(body, options)
            else { return CompressedObject.shown(try await base.put(key, body, options: options)) }
            var inner = options
            inner.expectedDigest = nil
            inner.attributes = try CompressedObject.hidden.adding(object.values, to: options.attributes)
            return CompressedObject.shown(try await base.put(key, compressed, options: inner))
        } catch {
            throw error.during(.put, key: key)
        }
    }

    /// The compressed body; nil where it is to be stored as it is.
    private func compressed(
        _ body: ObjectBody, _ options: PutOptions
    ) async throws(StorageError) -> (ObjectBody, CompressedObject)? {
        if let bytes = body.bytesAtHand, bytes.count <= Self.atOnce { return try compressed(bytes, body, options) }
        var (reader, spool) = (BodyReader(body), Spool())
        do {
            let encoder = try self.options.algorithm.encoder(level: self.options.level)
            while let chunk = try await reader.next(256 << 10) {
                try await spool.append(try encoder.encode(chunk, isLast: false))
            }
            try await spool.append(try encoder.encode([], isLast: true))
        } catch let error as StorageError {
            throw error
        } catch {
            throw Self.failed("\(error)")
        }
        let digest = try await reader.finish(expected: options.expectedDigest)
        if body.bytesAtHand != nil, spool.count >= reader.count { return nil }
        return (try await spool.body(), object(reader.count, digest))
    }

    private func compressed(
        _ bytes: [UInt8], _ body: ObjectBody, _ options: PutOptions
    ) throws(StorageError) -> (ObjectBody, CompressedObject)? {
        let compressed: [UInt8]
        do throws(CompressionError) {
            compressed = try self.options.algorithm.encoder(level: self.options.level).encode(bytes, isLast: true)
        } catch {
            throw Self.failed("\(error)")
        }
        guard compressed.count < bytes.count else { return nil }
        let digest = Digest(of: bytes)
        try body.check(digest, options.expectedDigest)
        return (ObjectBody(compressed), object(bytes.count, digest))
    }

    private func object(_ size: Int, _ digest: Digest) -> CompressedObject {
        CompressedObject(algorithm: options.algorithm, size: size, digest: digest)
    }

    private static func failed(_ how: String) -> StorageError {
        StorageError(.internal, "the body can't be compressed: \(how)")
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        do throws(StorageError) {
            let found: StoredObject
            do throws(StorageError) {
                found = try await base.get(key, options: options)
            } catch  where error.kind == .rangeNotSatisfiable {
                // What lies outside of the compressed bytes may lie within the content.
                return try await part(key, options)
            }
            guard let object = CompressedObject(found.info) else { return found }
            if options.range != nil { return try await part(key, options) }
            return try whole(found, object)
        } catch {
            throw error.during(.get, key: key)
        }
    }

    private func part(_ key: ObjectKey, _ options: GetOptions) async throws(StorageError) -> StoredObject {
        let all = GetOptions(ifMatch: options.ifMatch, verify: false)
        var found = try await base.get(key, options: all)
        if let object = CompressedObject(found.info) { found = try whole(found, object) }
        found.range = try options.range?.resolve(size: found.info.size) ?? 0..<found.info.size
        found.body = found.body.slice(found.range)
        return found
    }

    private func whole(_ found: StoredObject, _ object: CompressedObject) throws(StorageError) -> StoredObject {
        StoredObject(
            info: object.shown(found.info), range: 0..<object.size,
            body: try InflatingBody.body(found.body, object))
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        CompressedObject.shown(try await base.info(key, options: options))
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await base.delete(key, options: options)
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        var page = try await base.list(query)
        page.objects = page.objects?.map(CompressedObject.shown)
        return page
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            return CompressedObject.shown(
                try await CompressedObject.hidden.setMetadata(in: base, key, attributes, options.precondition) {
                    CompressedObject.hidden.values($0)
                })
        } catch {
            throw error.during(.setMetadata, key: key)
        }
    }

    public func shutdown() async {
        await base.shutdown()
    }
}
