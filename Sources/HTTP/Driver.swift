import CCurl
import Synchronization
import Waiting

/// The way to the one thread on which libcurl runs.
final class Driver: Sendable {
    enum Command: Sendable {
        case start(Transfer)
        case unpause(Transfer)
        case remove(Transfer)
    }

    private struct State {
        var commands: [Command] = []
        var isClosed = false
        /// Whether the thread waits, and has to be woken.
        var isAsleep = false
        /// The library's multi handle, for waking it; 0 once the thread has freed it.
        var multi: UInt
        var hasEnded = false
        var waiters: [UnsafeContinuation<Void, Never>] = []
    }

    /// libcurl's own initialization, once in the process.
    private static let isLibraryReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    private let state: Mutex<State>

    init(_ options: HTTPOptions) throws(HTTPError) {
        guard Self.isLibraryReady, let multi = curl_multi_init() else {
            throw HTTPError(.unreachable, .never, "libcurl could not be initialized")
        }
        let address = UInt(bitPattern: multi)
        state = Mutex(State(multi: address))
        let isRunning = startThread { [self] in
            // The thread is the only one that uses the handle, save for waking it.
            if let multi = UnsafeMutableRawPointer(bitPattern: address) { Loop(multi, options).run(self) }
        }
        guard isRunning else {
            end { _ = curl_multi_cleanup(multi) }
            throw HTTPError(.unreachable, .never, "no thread is left for HTTP")
        }
    }

    /// Hands a command over; after ``close()`` a start ends with `closed`.
    func post(_ command: Command) {
        let isLate = state.withLock { state in
            guard !state.isClosed else { return true }
            state.commands.append(command)
            Self.wake(&state)
            return false
        }
        if isLate, case .start(let transfer) = command { transfer.finish(.failure(.closed(transfer.request))) }
    }

    /// Ends a transfer for its caller at once; the handle is freed soon after.
    func cancel(_ transfer: Transfer) {
        if transfer.download.isOver { return }
        if transfer.finish(.failure(.cancelled(transfer.request))) { post(.remove(transfer)) }
    }

    /// Ends the thread, and everything under way.
    func close() {
        state.withLock { state in
            state.isClosed = true
            Self.wake(&state)
        }
    }

    /// Returns when the thread is through.
    func closed() async {
        await withUnsafeContinuation { continuation in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.waiters.append(continuation) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
    }

    /// Under the lock, so that the handle is not freed meanwhile. One of libcurl's two calls for other threads.
    private static func wake(_ state: inout State) {
        guard state.isAsleep, let multi = UnsafeMutableRawPointer(bitPattern: state.multi) else { return }
        _ = curl_multi_wakeup(multi)
        state.isAsleep = false
    }

    // MARK: The thread's side

    /// What was posted; nil: the end.
    func take() -> [Command]? {
        state.withLock { state in
            guard !state.isClosed else { return nil }
            state.isAsleep = false
            defer { state.commands = [] }
            return state.commands
        }
    }

    /// Whether there is nothing to take: from now on what is posted wakes the thread.
    func sleeps() -> Bool {
        state.withLock { state in
            state.isAsleep = state.commands.isEmpty && !state.isClosed
            return state.isAsleep
        }
    }

    /// After the last use of the handle: `free` frees it, then whoever waits is told.
    func end(_ free: () -> Void) {
        let (waiters, commands) = state.withLock { state in
            state.multi = 0
            state.hasEnded = true
            defer { (state.waiters, state.commands) = ([], []) }
            return (state.waiters, state.commands)
        }
        free()
        for case .start(let transfer) in commands { transfer.finish(.failure(.closed(transfer.request))) }
        waiters.forEach { $0.resume() }
    }
}
