import Compression
import Crypto
import Storage

/// Decompresses some of an object's frames, one after the other, and checks that each has the size it should.
///
/// Of an object without an index the one frame is given piece by piece; of all others nothing of a frame is given before
/// its checksum.
struct Inflation {
    enum Step {
        case content([UInt8])
        case needsInput
        /// All the frames; what else was fed is left.
        case ended
    }

    /// How much a decoder is fed at once.
    private static let piece = 64 << 10

    private let object: CompressedObject
    private let frames: Range<Int>
    private var number: Int
    private var decoder: any ByteDecoder
    /// How much content is still missing of the frame.
    private var missing: Int
    private var content: [UInt8] = []
    private var input: [UInt8] = []
    private var offset = 0
    /// How many bytes the frames so far took.
    private var taken = 0
    /// What an index of the frames so far begins with.
    private var index: SHA256?

    /// - Parameter hasIndex: whether the object's index follows the frames, which are all.
    init(_ object: CompressedObject, _ frames: Range<Int>, hasIndex: Bool) throws(StorageError) {
        self.object = object
        self.frames = frames
        number = frames.lowerBound
        decoder = try Self.decoder(object)
        missing = object.content(ofFrame: number).count
        if hasIndex {
            var index = SHA256()
            index.update(data: FrameIndex(object).head)
            self.index = index
        }
    }

    private static func decoder(_ object: CompressedObject) throws(StorageError) -> any ByteDecoder {
        do throws(CompressionError) {
            return try object.algorithm.decoder()
        } catch {
            throw damaged("\(error)")
        }
    }

    /// Takes more, where a step asked for it.
    mutating func feed(_ bytes: [UInt8]) {
        input = bytes
        offset = 0
    }

    mutating func step() throws(StorageError) -> Step {
        while number < frames.upperBound {
            switch try decode() {
            case .bytes(let bytes):
                guard object.frameSize != nil else { return .content(bytes) }
                if content.isEmpty { content = bytes } else { content += bytes }
            case .needsInput:
                guard offset < input.count else { return .needsInput }
                let isWhole = offset == 0 && input.count <= Self.piece
                let piece = isWhole ? input : Array(input[offset..<min(offset + Self.piece, input.count)])
                offset += piece.count
                taken += piece.count
                decoder.feed(piece)
            case .ended:
                if let content = try endFrame() { return .content(content) }
            }
        }
        return .ended
    }

    private mutating func decode() throws(StorageError) -> DecodingStep {
        let step = try Self.next(of: decoder, missing: missing)
        if case .bytes(let bytes) = step { missing -= bytes.count }
        return step
    }

    /// The frame's content, where it was not given yet.
    private mutating func endFrame() throws(StorageError) -> [UInt8]? {
        guard missing == 0 else { throw Self.tooLittle }
        let unused = decoder.unused
        guard unused <= offset else { throw Self.damaged("they end in a way that none of theirs does") }
        offset -= unused
        taken -= unused
        index?.update(data: FrameIndex.entry(taken))
        number += 1
        if number < frames.upperBound {
            decoder = try Self.decoder(object)
            missing = object.content(ofFrame: number).count
        }
        defer { content = [] }
        return content.isEmpty ? nil : content
    }

    /// What was fed and is none of the frames.
    mutating func takeRest() -> [UInt8] {
        defer { feed([]) }
        return Array(input[offset...])
    }

    /// The digest of what has to follow the frames; nil where nothing may.
    func expectedIndex() -> SHA256Digest? {
        guard var index else { return nil }
        index.update(data: FrameIndex(object).tail)
        return index.finalize()
    }

    /// All of the content of an object without an index, whose bytes are these.
    static func content(of bytes: [UInt8], _ object: CompressedObject) throws(StorageError) -> [UInt8] {
        let decoder = try decoder(object)
        decoder.feed(bytes)
        var content: [UInt8] = []
        while true {
            switch try next(of: decoder, missing: object.size - content.count) {
            case .bytes(let more): if content.isEmpty { content = more } else { content += more }
            case .needsInput: throw Self.endsTooEarly
            case .ended:
                guard content.count == object.size else { throw Self.tooLittle }
                guard decoder.unused == 0 else { throw Self.somethingFollows }
                return content
            }
        }
    }

    private static func next(of decoder: any ByteDecoder, missing: Int) throws(StorageError) -> DecodingStep {
        let step: DecodingStep
        do throws(CompressionError) {
            // One byte more than there should be tells that there are too many.
            step = try decoder.next(missing + 1)
        } catch {
            throw damaged("\(error)")
        }
        // Told before more of it is made: what is compressed may become a thousand times as large.
        if case .bytes(let bytes) = step, bytes.count > missing {
            throw damaged("they hold more than the object's size")
        }
        return step
    }

    private static var tooLittle: StorageError { damaged("they hold less than the object's size") }
    static var endsTooEarly: StorageError { damaged("they end too early") }
    static var somethingFollows: StorageError { damaged("something else follows their end") }

    static func damaged(_ how: String) -> StorageError {
        StorageError(.internal, "the object's compressed bytes are damaged: \(how)")
    }
}
