import Storage

/// What is kept with a compressed object: what it was before.
struct CompressedObject {
    static let hidden = HiddenMetadata(name: "Storage-Compressed")

    let algorithm: CompressionAlgorithm
    let size: Int
    let digest: Digest

    /// Of an object that was compressed by this layer; nil for any other.
    init?(_ info: ObjectInfo) {
        guard let values = Self.hidden.values(info), values.count == 3,
            let algorithm = CompressionAlgorithm(rawValue: values[0]), let size = Int(values[1]), size >= 0,
            let digest = Digest(values[2])
        else { return nil }
        self.init(algorithm: algorithm, size: size, digest: digest)
    }

    init(algorithm: CompressionAlgorithm, size: Int, digest: Digest) {
        (self.algorithm, self.size, self.digest) = (algorithm, size, digest)
    }

    var values: [String] { [algorithm.rawValue, String(size), digest.description] }

    /// The info of the content.
    func shown(_ info: ObjectInfo) -> ObjectInfo {
        var info = info
        info.size = size
        info.digest = digest
        info.attributes.metadata[Self.hidden.name] = nil
        return info
    }

    /// The info as users see it, compressed or not.
    static func shown(_ info: ObjectInfo) -> ObjectInfo {
        CompressedObject(info)?.shown(info) ?? info
    }
}
