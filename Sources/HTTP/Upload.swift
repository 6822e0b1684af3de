import Synchronization
import Waiting

/// A request's body between a feeding task and the driver's thread, which empties it.
final class Upload: Sendable {
    /// What there is to send.
    enum Available: Equatable {
        case bytes(Int)
        case end, later, refused
    }

    private struct State {
        var bytes: [UInt8] = []
        var offset = 0
        /// How many bytes went before `bytes`.
        var sentBefore = 0
        var isEnded = false
        var isClosed = false
        var isPaused = false
        var waiter: UnsafeContinuation<Bool, Never>?

        mutating func takeWaiter() -> UnsafeContinuation<Bool, Never>? {
            defer { waiter = nil }
            return waiter
        }
    }

    /// Nil: nobody knows. Of a body that is missing: 0.
    let size: Int?
    private let isAtHand: Bool
    private let state: Mutex<State>

    init(_ body: HTTPBody) {
        switch body {
        case .none:
            (size, isAtHand) = (0, true)
            state = Mutex(State(isEnded: true))
        case .bytes(let bytes):
            (size, isAtHand) = (bytes.count, true)
            state = Mutex(State(bytes: bytes, isEnded: true))
        case .stream(let size, _):
            (self.size, isAtHand) = (size, false)
            state = Mutex(State())
        }
    }

    // MARK: The driver's side

    /// Fills `buffer` with what comes next.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Available {
        let (available, waiter) = state.withLock { state -> (Available, UnsafeContinuation<Bool, Never>?) in
            let rest = state.bytes.count - state.offset
            if rest > 0, !state.isClosed {
                let count = min(rest, buffer.count)
                state.bytes.withUnsafeBytes { bytes in
                    buffer.copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: bytes[state.offset..<state.offset + count]))
                }
                state.offset += count
                guard count == rest, !isAtHand else { return (.bytes(count), nil) }
                state.sentBefore += state.bytes.count
                (state.bytes, state.offset) = ([], 0)
                return (.bytes(count), state.takeWaiter())
            }
            if state.isEnded { return (.end, nil) }
            if state.isClosed { return (.refused, nil) }
            state.isPaused = true
            return (.later, nil)
        }
        if let waiter { Burst.wake(here: false) { waiter.resume(returning: true) } }
        return available
    }

    /// Goes back, or on, to `offset`, for a connection that died before the server took anything.
    func seek(to offset: Int) -> Bool {
        state.withLock { state in
            let local = offset - state.sentBefore
            guard (0...state.bytes.count).contains(local), isAtHand || offset == 0 && state.sentBefore == 0 else {
                return false
            }
            state.offset = local
            return true
        }
    }

    /// Takes no more.
    func close() {
        let waiter = state.withLock { state in
            state.isClosed = true
            return state.takeWaiter()
        }
        waiter?.resume(returning: false)
    }

    // MARK: The feeder's side

    /// Puts a chunk on its way as soon as the one before has left; whether the driver has to go on sending, or nil
    /// where nothing is sent any more.
    func offer(_ chunk: [UInt8]) async -> Bool? {
        guard await room() else { return nil }
        return state.withLock { state in
            guard !state.isClosed else { return nil }
            state.bytes = chunk
            defer { state.isPaused = false }
            return state.isPaused
        }
    }

    /// There is no more; whether the driver has to be told.
    func end() -> Bool {
        state.withLock { state in
            state.isEnded = true
            defer { state.isPaused = false }
            return state.isPaused
        }
    }

    private func room() async -> Bool {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let outcome = state.withLock { state -> Bool? in
                    if state.isClosed { return false }
                    if state.bytes.isEmpty { return true }
                    state.waiter = continuation
                    return nil
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            close()
        }
    }
}
