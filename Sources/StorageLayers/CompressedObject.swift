import Storage

/// What is kept with a compressed object: what it was before, and how its bytes are cut.
///
/// Content of more than one frame's size is cut into frames, each compressed by itself, so that a part is read without
/// what comes before it. A ``FrameIndex`` behind the frames tells where each ends. Whatever reads the format reads the
/// frames as one content, and passes over the index.
struct CompressedObject: TransformedObject, Sendable {
    /// How much content new frames hold.
    static let usualFrame = 256 << 10
    /// A frame is decompressed as a whole.
    private static let frames = 1 << 10...16 << 20

    let hidden: HiddenMetadata
    let algorithm: CompressionAlgorithm
    let size: Int
    let digest: Digest
    /// How much content each frame holds but the last; nil where all of it is one, without an index.
    let frameSize: Int?

    /// Of an object that was compressed by this layer; nil for any other.
    init?(_ info: borrowing ObjectInfo, _ hidden: HiddenMetadata) {
        guard let values = hidden.values(info), (3...4).contains(values.count),
            let algorithm = CompressionAlgorithm(rawValue: values[0]), let size = Int(values[1]),
            Self.sizes.contains(size), let digest = Digest(values[2])
        else { return nil }
        var frameSize: Int?
        if values.count == 4 {
            guard let frame = Int(values[3]), Self.frames.contains(frame), size > frame, size <= 1 << 46 else {
                return nil
            }
            frameSize = frame
        }
        self.init(hidden: hidden, algorithm: algorithm, size: size, digest: digest, frameSize: frameSize)
    }

    init(
        hidden: HiddenMetadata, algorithm: CompressionAlgorithm, size: Int, digest: Digest, frameSize: Int?
    ) {
        self.hidden = hidden
        (self.algorithm, self.size, self.digest, self.frameSize) = (algorithm, size, digest, frameSize)
    }

    var values: [String] {
        [algorithm.rawValue, String(size), digest.description] + (frameSize.map { [String($0)] } ?? [])
    }

    var frameCount: Int { frameSize.map { (size + $0 - 1) / $0 } ?? 1 }

    /// The content that frame `number` holds.
    func content(ofFrame number: Int) -> Range<Int> {
        guard let frameSize else { return 0..<size }
        return number * frameSize..<min((number + 1) * frameSize, size)
    }

    /// The info as users see it, compressed or not.
    static func shown(_ info: consuming ObjectInfo, _ hidden: HiddenMetadata) -> ObjectInfo {
        CompressedObject(info, hidden)?.show(in: &info)
        return info
    }
}
