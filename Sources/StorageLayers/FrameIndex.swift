import Encodings
import Storage

/// Where the frames of a compressed object end: entries of one size behind the frames, so that one is found by its number.
///
/// They lie in what readers of the format pass over: the comment of an empty gzip member, a skippable Zstandard frame.
struct FrameIndex: Sendable {
    /// An entry is a number in so many hexadecimal digits.
    static let entrySize = 12

    let algorithm: CompressionAlgorithm
    /// How many frames there are.
    let count: Int

    init(_ object: CompressedObject) {
        self.init(object.algorithm, count: object.frameCount)
    }

    init(_ algorithm: CompressionAlgorithm, count: Int) {
        (self.algorithm, self.count) = (algorithm, count)
    }

    /// What is before the entries.
    var head: [UInt8] {
        switch algorithm {
        // RFC 1952: deflate, a comment, no time, unknown system.
        case .gzip: return [0x1f, 0x8b, 8, 1 << 4, 0, 0, 0, 0, 0, 0xff]
        // RFC 8878: the magic number, and the size of what follows.
        case .zstd:
            let size = UInt32(truncatingIfNeeded: count * Self.entrySize)
            return [0x50, 0x2a, 0x4d, 0x18] + (0..<4).map { UInt8(truncatingIfNeeded: size >> ($0 * 8)) }
        }
    }

    /// What is behind the entries.
    var tail: [UInt8] {
        switch algorithm {
        // The comment's end, an empty block, its checksum and size.
        case .gzip: [0, 3, 0] + [UInt8](repeating: 0, count: 8)
        case .zstd: []
        }
    }

    var size: Int { head.count + count * Self.entrySize + tail.count }

    /// Where the entries of these frames lie in a stored object of `stored` bytes.
    func place(of frames: Range<Int>, stored: Int) -> Range<Int> {
        let start = stored - size + head.count
        return start + frames.lowerBound * Self.entrySize..<start + frames.upperBound * Self.entrySize
    }

    /// The entry of a frame that ends behind `end` bytes.
    static func entry(_ end: Int) -> [UInt8] {
        Array(
            Hexadecimal.encode((0..<entrySize / 2).reversed().map { UInt8(truncatingIfNeeded: end >> ($0 * 8)) }).utf8)
    }

    /// What an entry says; nil where it is none.
    static func end(_ entry: some Collection<UInt8>) -> Int? {
        guard entry.count == entrySize else { return nil }
        return Hexadecimal.decode(String(decoding: entry, as: UTF8.self))?.reduce(0) { $0 << 8 | Int($1) }
    }
}
