import Crypto
import Storage
import Synchronization

/// Decompresses a body as it is read.
final class InflatingBody: Sendable {
    /// As much content as is made of bytes at hand at once, rather than as it is read.
    private static let atOnce = 256 << 10

    private let pull: ObjectBody.Pull
    private let state: Mutex<Inflation>

    private init(
        _ body: ObjectBody, _ object: CompressedObject, _ frames: Range<Int>, hasIndex: Bool
    ) throws(StorageError) {
        pull = body.pull
        state = Mutex(try Inflation(object, frames, hasIndex: hasIndex))
    }

    /// The content of the compressed body of `object`.
    static func body(_ body: ObjectBody, _ object: CompressedObject) throws(StorageError) -> ObjectBody {
        if object.size <= atOnce, object.frameSize == nil, let bytes = body.bytesAtHand {
            return ObjectBody(try Inflation.content(of: bytes, object))
        }
        let inflating = try InflatingBody(
            body, object, 0..<object.frameCount, hasIndex: object.frameSize != nil)
        return ObjectBody(size: object.size) { () async throws(StorageError) in try await inflating.next() }
    }

    /// The content of `frames`, which are all that `body` holds.
    static func body(
        _ body: ObjectBody, _ object: CompressedObject, _ frames: Range<Int>
    ) throws(StorageError) -> ObjectBody {
        let inflating = try InflatingBody(body, object, frames, hasIndex: false)
        let start = object.content(ofFrame: frames.lowerBound).lowerBound
        let size = object.content(ofFrame: frames.upperBound - 1).upperBound - start
        return ObjectBody(size: size) { () async throws(StorageError) in try await inflating.next() }
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        while true {
            switch try state.withLock({ (inflation) throws(StorageError) in try inflation.step() }) {
            case .content(let bytes): return bytes
            case .ended:
                try await checkRest()
                return nil
            case .needsInput:
                guard let chunk = try await pull() else { throw Inflation.endsTooEarly }
                state.withLock { $0.feed(chunk) }
            }
        }
    }

    /// Reads what follows the frames, which is their index or nothing.
    private func checkRest() async throws(StorageError) {
        let (rest, expected) = state.withLock { ($0.takeRest(), $0.expectedIndex()) }
        var (chunk, hash): ([UInt8]?, _) = (rest, SHA256())
        while let bytes = chunk {
            guard expected != nil || bytes.isEmpty else { throw Inflation.somethingFollows }
            hash.update(data: bytes)
            chunk = try await pull()
        }
        guard let expected else { return }
        guard hash.finalize() == expected else { throw Inflation.damaged("their index is not the one that was stored") }
    }
}
