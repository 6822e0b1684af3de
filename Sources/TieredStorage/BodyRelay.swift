import Storage
import Synchronization

/// Hands a body's chunks from the task that reads it to one that stores a copy, one chunk at a time.
final class BodyRelay: Sendable {
    private struct State {
        var chunk: [UInt8]?
        var count = 0
        var end: Result<Void, StorageError>?
        /// Whoever waits: the sender for room or the receiver for a chunk, never both.
        var waiter: CheckedContinuation<Void, Never>?

        mutating func wake() -> CheckedContinuation<Void, Never>? {
            defer { waiter = nil }
            return waiter
        }
    }

    private let state = Mutex(State())
    private let limit: Int

    /// A relay that fails with `tooLarge` beyond `limit` bytes.
    init(limit: Int) {
        self.limit = limit
    }

    /// The body as it arrives, for one reader.
    func body(size: Int?) -> ObjectBody {
        ObjectBody(size: size) { () async throws(StorageError) in try await self.next() }
    }

    /// Takes the next chunk, as soon as the one before was read; nothing happens after the end.
    func send(_ chunk: [UInt8]) async {
        await wait { $0.chunk == nil }
        let waiter = state.withLock { state in
            if state.end == nil {
                state.chunk = chunk
                state.count += chunk.count
                if state.count > limit { state.end = .failure(StorageError(.tooLarge, "too large for the tier")) }
            }
            return state.wake()
        }
        waiter?.resume()
    }

    /// Ends it: with success after the chunk that waits, with a failure at once.
    func finish(_ end: Result<Void, StorageError>) {
        let waiter = state.withLock { state in
            state.end = state.end ?? end
            return state.wake()
        }
        waiter?.resume()
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        await wait { $0.chunk != nil }
        let (outcome, waiter) = state.withLock { state -> (Result<[UInt8]?, StorageError>, _) in
            if case .failure(let error) = state.end { return (.failure(error), state.wake()) }
            defer { state.chunk = nil }
            return (.success(state.chunk), state.wake())
        }
        waiter?.resume()
        return try outcome.get()
    }

    private func wait(until isReady: @Sendable (borrowing State) -> Bool) async {
        while !state.withLock({ isReady($0) || $0.end != nil }) {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isDone = state.withLock { state in
                        if isReady(state) || state.end != nil { return true }
                        state.waiter = continuation
                        return false
                    }
                    if isDone { continuation.resume() }
                }
            } onCancel: {
                finish(.failure(.cancelled))
            }
        }
    }
}

/// A body that is copied to others while it is read. Letting go of it before its end ends the copies without success.
final class BodyTee: Sendable {
    private let source: ObjectBody.Pull
    private let relays: [BodyRelay]

    init(_ source: @escaping ObjectBody.Pull, to relays: [BodyRelay]) {
        self.source = source
        self.relays = relays
    }

    deinit {
        finish(.failure(.cancelled))
    }

    /// The next chunk, when every copy has taken the one before.
    func next() async throws(StorageError) -> [UInt8]? {
        do throws(StorageError) {
            guard let chunk = try await source() else {
                finish(.success(()))
                return nil
            }
            for relay in relays { await relay.send(chunk) }
            return chunk
        } catch {
            finish(.failure(error))
            throw error
        }
    }

    func finish(_ end: Result<Void, StorageError>) {
        for relay in relays { relay.finish(end) }
    }
}
