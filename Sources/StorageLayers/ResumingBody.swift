import Storage
import Synchronization

/// The body of a get that goes on where it broke, by ranges of the same version.
///
/// The store beneath verifies a whole object only where its body does not break: so what passes is hashed here too.
final class ResumingBody: Sendable {
    /// Opens a part of the version that is being read.
    typealias Open = @Sendable (ByteRange) async throws(StorageError) -> ObjectBody
    /// How long to wait after a failure; nil: give up.
    typealias Delay = @Sendable (_ attempt: Int, StorageError) -> Duration?

    private struct State {
        var pull: ObjectBody.Pull
        /// The offset in the object of the next byte.
        var offset: Int
        /// How often it broke since a byte came.
        var failures = 0
        var hasBroken = false
    }

    private let range: Range<Int>
    private let expected: Digest?
    private let hash: ParallelHash?
    private let open: Open
    private let delay: Delay
    private let clock: LayerClock
    private let state: Mutex<State>

    /// - Parameter verify: whether the whole object is to be verified.
    init(_ object: StoredObject, verify: Bool, clock: LayerClock, delay: @escaping Delay, open: @escaping Open) {
        let isWhole = object.range.count == object.info.size
        range = object.range
        expected = verify && isWhole ? object.info.digest : nil
        hash = expected == nil ? nil : ParallelHash()
        self.open = open
        self.delay = delay
        self.clock = clock
        state = Mutex(State(pull: object.body.pull, offset: object.range.lowerBound))
    }

    func next() async throws(StorageError) -> [UInt8]? {
        while true {
            do throws(StorageError) {
                let pull = state.withLock { $0.pull }
                guard let chunk = try await pull() else { return try await finish() }
                state.withLock { state in
                    state.offset += chunk.count
                    state.failures = 0
                }
                await hash?.update(chunk)
                return chunk
            } catch {
                try await resume(after: error)
            }
        }
    }

    private func resume(after error: StorageError) async throws(StorageError) {
        let (failures, offset) = state.withLock { state in
            state.failures += 1
            return (state.failures, state.offset)
        }
        guard offset < range.upperBound, let wait = delay(failures, error) else { throw error }
        try await clock.sleep(wait)
        do throws(StorageError) {
            let body = try await open(.bounded(first: offset, last: range.upperBound - 1))
            state.withLock { state in
                state.pull = body.pull
                state.hasBroken = true
            }
        } catch  where error.kind == .cancelled {
            throw error
        } catch {
            // The broken pull is not asked again: the next round opens once more, or gives up with this error.
            state.withLock { $0.pull = { () async throws(StorageError) in throw error } }
        }
    }

    private func finish() async throws(StorageError) -> [UInt8]? {
        let (offset, hasBroken) = state.withLock { ($0.offset, $0.hasBroken) }
        guard hasBroken else { return nil }
        guard offset == range.upperBound else {
            throw StorageError(.internal, "the body ended at byte \(offset) instead of \(range.upperBound)")
        }
        if let expected, let hash, await hash.finalize() != expected {
            throw StorageError(.internal, "the object's bytes do not match its digest \(expected): it is damaged")
        }
        return nil
    }
}
