import Compression
import Storage
import Synchronization

/// Decompresses a body as it is read, and checks that it has the size it should.
final class InflatingBody: Sendable {
    private struct State: ~Copyable {
        var decoder: GzipDecoder
        var left: Int
    }

    private let pull: ObjectBody.Pull
    private let state: Mutex<State>

    private init(_ body: ObjectBody, size: Int) throws(StorageError) {
        pull = body.pull
        do throws(CompressionError) {
            state = Mutex(State(decoder: try GzipDecoder(), left: size))
        } catch {
            throw Self.damaged("\(error)")
        }
    }

    /// The content of a compressed body.
    ///
    /// - Parameter size: how many bytes the content has.
    static func body(_ body: ObjectBody, size: Int) throws(StorageError) -> ObjectBody {
        let inflating = try InflatingBody(body, size: size)
        return ObjectBody(size: size) { () async throws(StorageError) in try await inflating.next() }
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        while true {
            switch try step() {
            case .bytes(let bytes): return bytes
            case .ended: return nil
            case .needsInput:
                guard let chunk = try await pull() else { throw Self.damaged("they end too early") }
                state.withLock { $0.decoder.feed(chunk) }
            }
        }
    }

    private func step() throws(StorageError) -> GzipDecoder.Step {
        let (step, left) = try state.withLock { (state) throws(StorageError) in
            do throws(CompressionError) {
                let step = try state.decoder.next()
                if case .bytes(let bytes) = step { state.left -= bytes.count }
                return (step, state.left)
            } catch {
                throw Self.damaged("\(error)")
            }
        }
        // Told before more of it is made: what is compressed may become a thousand times as large.
        guard left >= 0 else { throw Self.damaged("they hold more than the object's size") }
        if case .ended = step, left > 0 { throw Self.damaged("they hold less than the object's size") }
        return step
    }

    private static func damaged(_ how: String) -> StorageError {
        StorageError(.internal, "the object's compressed bytes are damaged: \(how)")
    }
}
