import Compression
import Storage
import Synchronization

/// Decompresses a body as it is read.
final class InflatingBody: Sendable {
    /// As much content as is made of bytes at hand at once, rather than as it is read.
    private static let atOnce = 256 << 10

    private let pull: ObjectBody.Pull
    private let state: Mutex<Inflation>

    private init(_ body: ObjectBody, _ object: CompressedObject) throws(StorageError) {
        pull = body.pull
        state = Mutex(try Inflation(object))
    }

    /// The content of the compressed body of `object`.
    static func body(_ body: ObjectBody, _ object: CompressedObject) throws(StorageError) -> ObjectBody {
        if object.size <= atOnce, let bytes = body.bytesAtHand {
            return ObjectBody(try Inflation.content(of: bytes, object))
        }
        let inflating = try InflatingBody(body, object)
        return ObjectBody(size: object.size) { () async throws(StorageError) in try await inflating.next() }
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        while true {
            switch try state.withLock({ (inflation) throws(StorageError) in try inflation.step() }) {
            case .bytes(let bytes): return bytes
            case .ended: return nil
            case .needsInput:
                guard let chunk = try await pull() else { throw Inflation.endsTooEarly }
                state.withLock { $0.feed(chunk) }
            }
        }
    }
}
