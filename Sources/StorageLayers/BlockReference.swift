import Storage

/// What a key says of its object; kept as metadata that users don't see. The names of several blocks are its bytes.
struct BlockReference: TransformedObject, Sendable {
    static let hidden = HiddenMetadata(name: "Storage-Blocks")

    let size: Int
    let digest: Digest
    let blockSize: Int

    init(size: Int, digest: Digest, blockSize: Int) {
        (self.size, self.digest, self.blockSize) = (size, digest, blockSize)
    }

    /// - Throws: `internal` for an object that this layer did not put.
    init(_ info: ObjectInfo) throws(StorageError) {
        guard let values = Self.hidden.values(info), values.count == 3, let size = Int(values[0]), size >= 0,
            let digest = Digest(values[1]), let blockSize = Int(values[2]), blockSize > 0
        else {
            throw StorageError(.internal, "“\(info.key)” is no reference to blocks: something else wrote it")
        }
        self.init(size: size, digest: digest, blockSize: blockSize)
    }

    var values: [String] { [String(size), digest.description, String(blockSize)] }

    private var count: Int { size / blockSize + (size % blockSize == 0 ? 0 : 1) }

    /// The names of the blocks, in order; `body` is the reference's own.
    ///
    /// - Throws: `internal` where they are not as many as the size tells.
    func names(_ body: ObjectBody) async throws(StorageError) -> [Digest] {
        if count <= 1 { return count == 0 ? [] : [digest] }
        let bytes = try await body.collect(upTo: max(1 << 20, count * 32))
        var names: [Digest] = []
        names.reserveCapacity(count)
        for start in stride(from: 0, to: bytes.count, by: 32) {
            if let name = Digest(bytes: bytes[start..<min(start + 32, bytes.count)]) { names.append(name) }
        }
        guard bytes.count == count * 32, names.count == count else {
            throw StorageError(.internal, "the reference to the blocks is damaged")
        }
        return names
    }

    /// The info of the object that the key refers to.
    static func shown(_ info: ObjectInfo) throws(StorageError) -> ObjectInfo { try BlockReference(info).shown(info) }
}
