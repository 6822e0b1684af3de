import Storage
import Synchronization

/// That notices are out: in the hands of the server, or of the stream, of every output that takes them.
final class Receipt: Sendable {
    private typealias Waiter = UnsafeContinuation<Void, Never>

    private struct State {
        var outstanding: Int
        var failure: StorageError?
        var waiter: UnsafeContinuation<Void, Never>?
    }

    private let state: Mutex<State>

    /// For `count` notices.
    init(_ count: Int) {
        state = Mutex(State(outstanding: count))
    }

    /// One of them is out, or failed for good.
    func settle(_ failure: StorageError?) {
        let waiter = state.withLock { state -> Waiter? in
            state.outstanding -= 1
            state.failure = state.failure ?? failure
            guard state.outstanding == 0 else { return nil }
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Waits until all are; for one caller. Ends with the publisher, at the latest.
    ///
    /// - Throws: why one of them will never be.
    func value() async throws(StorageError) {
        await withUnsafeContinuation { (continuation: Waiter) in
            let isOver = state.withLock { state in
                if state.outstanding > 0 { state.waiter = continuation }
                return state.outstanding <= 0
            }
            if isOver { continuation.resume() }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }
}
