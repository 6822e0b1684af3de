import Compression
public import Storage

/// A layer that stores objects compressed and gives them back as they were: size, digest, content and ranges are
/// those of the content.
///
/// Which objects are compressed is kept with them, as metadata of the name `Storage-Compressed`: those stored before, or
/// past the layer, are read as they are. A second such layer over this one uses another name. Small ones, those that have
/// a content encoding already, and those at hand that compression would not make smaller are stored as they are. A
/// streamed body is compressed into memory, or a temporary file beyond 1 MiB, before it is put. Content of more than
/// 256 KiB is compressed in frames of so much, of which a part reads those that hold it; objects of before there were
/// frames are read up to the part's end.
public struct CompressedStore: StoreLayer {
    /// A body at hand of so many bytes is compressed in one piece.
    private static let atOnce = 64 << 10

    private let base: any Store
    private let options: CompressionOptions
    private let hidden: HiddenMetadata
    private let frames: FrameReader

    /// `base`, with what it stores compressed.
    public init(_ base: any Store, _ options: CompressionOptions = CompressionOptions()) {
        self.base = base
        self.options = options
        hidden = HiddenMetadata("Storage-Compressed", of: Self.self, over: base)
        frames = FrameReader(base, hidden)
    }

    /// Those of the store beneath; without compare-and-swap there, metadata can't be changed either.
    public var capabilities: Capabilities { base.capabilities.hidingMetadata }

    public var beneath: [any Store] { [base] }

    public func shown(_ info: ObjectInfo) -> ObjectInfo? { CompressedObject.shown(info, hidden) }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            _ = try hidden.adding(nil, to: options.attributes)
            guard options.attributes.contentEncoding == nil, (body.size ?? .max) >= self.options.minimumSize,
                let (compressed, object) = try await compressed(body, options)
            else { return CompressedObject.shown(try await base.put(key, body, options: options), hidden) }
            var inner = options
            inner.expectedDigest = nil
            inner.attributes = try hidden.adding(object.values, to: options.attributes)
            return CompressedObject.shown(try await base.put(key, compressed, options: inner), hidden)
        } catch {
            throw error.during(.put, key: key)
        }
    }

    /// The compressed body; nil where it is to be stored as it is.
    private func compressed(
        _ body: ObjectBody, _ options: PutOptions
    ) async throws(StorageError) -> (ObjectBody, CompressedObject)? {
        if let bytes = body.bytesAtHand, bytes.count <= Self.atOnce { return try compressed(bytes, body, options) }
        var (reader, spool, index, count) = (BodyReader(body), Spool(), Spool(), 0)
        while let chunk = try await reader.next(CompressedObject.usualFrame) {
            try await spool.append(try encoded(chunk))
            try await index.append(FrameIndex.entry(spool.count))
            count += 1
        }
        if count == 0 { try await spool.append(try encoded([])) }
        let digest = try await reader.finish(expected: options.expectedDigest)
        if count > 1 { try await append(index, of: count, to: &spool) }
        if body.bytesAtHand != nil, spool.count >= reader.count { return nil }
        return (try await spool.body(), object(reader.count, digest, count > 1 ? CompressedObject.usualFrame : nil))
    }

    private func append(_ entries: Spool, of count: Int, to spool: inout Spool) async throws(StorageError) {
        let index = FrameIndex(options.algorithm, count: count)
        var entries = entries
        try await spool.append(index.head)
        for try await part in try await entries.body() { try await spool.append(part) }
        try await spool.append(index.tail)
    }

    private func encoded(_ content: [UInt8]) throws(StorageError) -> [UInt8] {
        do throws(CompressionError) {
            return try options.algorithm.encoder(level: options.level).encode(content, isLast: true)
        } catch {
            throw StorageError(.internal, "the body can't be compressed: \(error)")
        }
    }

    private func compressed(
        _ bytes: [UInt8], _ body: ObjectBody, _ options: PutOptions
    ) throws(StorageError) -> (ObjectBody, CompressedObject)? {
        let compressed = try encoded(bytes)
        guard compressed.count < bytes.count else { return nil }
        let digest = Digest(of: bytes)
        try body.check(digest, options.expectedDigest)
        return (ObjectBody(compressed), object(bytes.count, digest, nil))
    }

    private func object(_ size: Int, _ digest: Digest, _ frameSize: Int?) -> CompressedObject {
        CompressedObject(
            hidden: hidden, algorithm: options.algorithm, size: size, digest: digest, frameSize: frameSize)
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        do throws(StorageError) {
            if let range = options.range { return try await frames.part(key, range, options) }
            var found = try await base.get(key, options: options)
            guard let object = CompressedObject(found.info, hidden) else { return found }
            found.body = try InflatingBody.body(found.body, object)
            found.range = 0..<object.size
            object.show(in: &found.info)
            return found
        } catch {
            throw error.during(.get, key: key)
        }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        CompressedObject.shown(try await base.info(key, options: options), hidden)
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await base.delete(key, options: options)
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        var page = try await base.list(query)
        page.objects = page.objects?.map { CompressedObject.shown($0, hidden) }
        return page
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            return CompressedObject.shown(
                try await hidden.setMetadata(in: base, key, attributes, options.precondition) {
                    hidden.values($0)
                }, hidden)
        } catch {
            throw error.during(.setMetadata, key: key)
        }
    }

    public func shutdown() async {
        await base.shutdown()
    }
}
