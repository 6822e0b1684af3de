import Storage

/// What a key says of its object; kept as metadata that users don't see. The names of several blocks are its bytes.
struct BlockReference: TransformedObject, Sendable {
    /// A block is read as a whole.
    static let blockSizes = 1 << 10...64 << 20

    let hidden: HiddenMetadata
    let size: Int
    let digest: Digest
    let blockSize: Int

    init(hidden: HiddenMetadata, size: Int, digest: Digest, blockSize: Int) {
        self.hidden = hidden
        (self.size, self.digest, self.blockSize) = (size, digest, blockSize)
    }

    /// - Throws: `internal` for an object that this layer did not put.
    init(_ info: ObjectInfo, _ hidden: HiddenMetadata) throws(StorageError) {
        guard let values = hidden.values(info), values.count == 3, let size = Int(values[0]),
            Self.sizes.contains(size), let digest = Digest(values[1]), let blockSize = Int(values[2]),
            Self.blockSizes.contains(blockSize)
        else {
            throw StorageError(.internal, "“\(info.key)” is no reference to blocks: something else wrote it")
        }
        self.init(hidden: hidden, size: size, digest: digest, blockSize: blockSize)
    }

    var values: [String] { [String(size), digest.description, String(blockSize)] }

    private var count: Int { size / blockSize + (size % blockSize == 0 ? 0 : 1) }

    /// The names of the blocks, in order; `body` is the reference's own.
    ///
    /// - Throws: `internal` where they are not as many as the size tells.
    func names(_ body: ObjectBody) async throws(StorageError) -> [Digest] {
        if count <= 1 { return count == 0 ? [] : [digest] }
        let expected = count * 32
        guard body.size ?? expected <= expected + BlockSalt.size else { throw Self.damaged }
        var bytes = try await body.collect(upTo: expected + BlockSalt.size)
        BlockSalt.remove(from: &bytes, leaving: expected)
        guard bytes.count == expected else { throw Self.damaged }
        return stride(from: 0, to: expected, by: 32).compactMap { Digest(bytes: bytes[$0..<$0 + 32]) }
    }

    private static var damaged: StorageError { StorageError(.internal, "the reference to the blocks is damaged") }

    /// The info of the object that the key refers to.
    static func shown(_ info: ObjectInfo, _ hidden: HiddenMetadata) throws(StorageError) -> ObjectInfo {
        try BlockReference(info, hidden).shown(info)
    }
}
