import Compression
import Storage

/// Decompresses what an object holds, and checks that it has the size it should.
struct Inflation {
    private let decoder: any ByteDecoder
    private var left: Int

    init(_ object: CompressedObject) throws(StorageError) {
        do throws(CompressionError) {
            decoder = try object.algorithm.decoder()
        } catch {
            throw Self.damaged("\(error)")
        }
        left = object.size
    }

    func feed(_ bytes: [UInt8]) { decoder.feed(bytes) }

    mutating func step() throws(StorageError) -> DecodingStep {
        let step: DecodingStep
        do throws(CompressionError) {
            // One byte more than there should be tells that there are too many.
            step = try decoder.next(left + 1)
        } catch {
            throw Self.damaged("\(error)")
        }
        if case .bytes(let bytes) = step { left -= bytes.count }
        // Told before more of it is made: what is compressed may become a thousand times as large.
        guard left >= 0 else { throw Self.damaged("they hold more than the object's size") }
        if case .ended = step, left > 0 { throw Self.damaged("they hold less than the object's size") }
        return step
    }

    /// All of the content of `bytes`.
    static func content(of bytes: [UInt8], _ object: CompressedObject) throws(StorageError) -> [UInt8] {
        var inflation = try Inflation(object)
        inflation.feed(bytes)
        var content: [UInt8] = []
        while true {
            switch try inflation.step() {
            case .bytes(let more): if content.isEmpty { content = more } else { content += more }
            case .needsInput: throw Self.endsTooEarly
            case .ended: return content
            }
        }
    }

    static var endsTooEarly: StorageError { damaged("they end too early") }

    private static func damaged(_ how: String) -> StorageError {
        StorageError(.internal, "the object's compressed bytes are damaged: \(how)")
    }
}
