import CNATS
import Glibc
import Synchronization
import Waiting

/// Reads and writes one connection's socket, as the library's event loop: what several threads publish at once, or one
/// in a burst, goes out in one write. Left to itself the library writes each message by itself, under a lock that its
/// reader needs, or a millisecond later.
///
/// A thread of its own waits for the socket, reads and delivers; whoever publishes writes, unless somebody is at the
/// socket: then it is written by whoever is.
///
/// See `natsOptions_SetEventLoop` in the library's documentation.
final class SocketLoop: Sender, Sendable {
    private struct State {
        /// The library's connection, while it may be called: changes within a turn only.
        var connection: UInt = 0
        var socket: Int32 = -1
        /// Whether the library wants to be called when there is something to read, and when there is room to write.
        var reads = false
        var writes = false
        var hasThread = false
        var isEnded = false

        var events: Int16 { Int16((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)) }
    }

    private let state = Mutex(State())
    /// Whose turn it is to call the library to read or write: one thread at a time, as it expects.
    private let turn = Turn()
    /// Where what was read is taken.
    let inlets = Inlets()
    /// Whether something was published since somebody began to write.
    private let isDirty = Atomic(false)
    /// How many threads are publishing: each will write what is there.
    private let writers = Atomic(0)
    let stallLimit: Duration
    private let signal: Int32

    /// - Parameter stallLimit: how long the server may take nothing before the connection is cut, and made anew.
    init(stallLimit: Duration) throws(NATSError) {
        self.stallLimit = stallLimit
        signal = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard signal >= 0 else { throw NATSError(.connectionFailed, "no descriptor is left for a connection") }
    }

    deinit {
        Glibc.close(signal)
    }

    // MARK: Called by the library

    /// Tells the library of it; it has to live as long as the connection.
    func install(in options: OptionsHandle) throws(NATSError) {
        let status = natsOptions_SetEventLoop(
            options.pointer, Unmanaged.passUnretained(self).toOpaque(),
            { context, loop, connection, socket in
                context?.pointee = loop
                guard let loop, let connection else { return NATS_INVALID_ARG }
                return SocketLoop.find(loop).attach(connection, socket) ? NATS_OK : NATS_NO_MEMORY
            },
            { loop, adds in
                if let loop { SocketLoop.find(loop).want(read: adds) }
                return NATS_OK
            },
            { loop, adds in
                if let loop { SocketLoop.find(loop).want(write: adds) }
                return NATS_OK
            },
            { loop in
                if let loop { SocketLoop.find(loop).detach() }
                return NATS_OK
            })
        try check(status, "event loop")
    }

    private static func find(_ loop: UnsafeMutableRawPointer) -> SocketLoop {
        Unmanaged<SocketLoop>.fromOpaque(loop).takeUnretainedValue()
    }

    /// There is a socket, the first or another one.
    private func attach(_ connection: OpaquePointer, _ socket: Int32) -> Bool {
        let hasThread = state.withLock { state in
            state.connection = UInt(bitPattern: connection)
            state.socket = socket
            state.reads = true
            state.writes = false
            defer { state.hasThread = true }
            return state.hasThread
        }
        if hasThread { wake() }
        if hasThread || startThread({ self.run() }) { return true }
        state.withLock { $0.hasThread = false }
        return false
    }

    private func want(read reads: Bool) {
        state.withLock { $0.reads = reads }
        wake()
    }

    private func want(write writes: Bool) {
        state.withLock { $0.writes = writes }
        guard writes else { return }
        isDirty.store(true, ordering: .sequentiallyConsistent)
        if writers.load(ordering: .sequentiallyConsistent) == 0, !turn.isMine { wake() }
    }

    /// The connection is closed; it is not called any more when this returns.
    private func detach() {
        takeTurn { state.withLock { $0.connection = 0 } }
        state.withLock { $0.isEnded = true }
        wake()
    }

    // MARK: Writing

    /// Before a call that publishes; then ``endWriting()``.
    func beginWriting() { writers.add(1, ordering: .sequentiallyConsistent) }

    /// Sends what was published, now or at the end of the thread's burst.
    func endWriting() {
        if let burst = Burst.current, burst.hold(self) { return }
        writers.subtract(1, ordering: .sequentiallyConsistent)
        if Burst.current == nil { flush() }
    }

    /// Sends what was published, unless somebody is at the socket, who will.
    private func flush() {
        while isDirty.load(ordering: .sequentiallyConsistent) {
            guard turn.takeIfFree(send) else { return }
            // Who left it to this thread must not be overlooked.
            atomicMemoryFence(ordering: .sequentiallyConsistent)
            // What found no room goes out when there is some.
            if isBehind { wake() }
        }
    }

    /// Sends what was published before it ends, and runs `body` with nobody else at the socket.
    func close(_ body: () -> Void) {
        takeTurn {
            send()
            body()
        }
    }

    /// In turn.
    private func send() {
        while isDirty.exchange(false, ordering: .sequentiallyConsistent) {
            let (connection, writes) = state.withLock { ($0.connection, $0.writes) }
            // The library takes a write of nothing for a broken connection.
            if writes, let connection = OpaquePointer(bitPattern: connection) {
                natsConnection_ProcessWriteEvent(connection)
            }
        }
    }

    /// Runs `body` with nobody else at the socket, and sends what others left to this thread meanwhile.
    func takeTurn(_ body: () -> Void) {
        turn.take(body)
        if !turn.isMine { flush() }
    }

    /// Whether the server was too slow for what was published.
    var isBehind: Bool { state.withLock { $0.writes } }

    // MARK: The thread

    /// Has the thread look what there is to do.
    func wake() { eventfd_write(signal, 1) }

    private func run() {
        var sockets = [pollfd(), pollfd(fd: signal, events: Int16(POLLIN), revents: 0)]
        var deadline: ContinuousClock.Instant?
        while true {
            let now = state.withLock { $0 }
            if now.isEnded { return inlets.finish() }
            deadline = now.writes ? deadline ?? .now + stallLimit : nil
            sockets[0] = pollfd(fd: now.events == 0 ? -1 : now.socket, events: now.events, revents: 0)
            let count = poll(&sockets, 2, deadline.map { Int32(clamping: ($0 - .now).milliseconds) } ?? -1)
            if sockets[1].revents != 0 {
                var signals = eventfd_t()
                eventfd_read(signal, &signals)
            }
            if count > 0 { serve(sockets[0].revents) }
            inlets.deliver()
            if sockets[0].revents & Int16(POLLOUT) != 0 { deadline = nil }
            if let end = deadline, end <= .now {
                cut(now.socket)
                deadline = nil
            }
        }
    }

    private func serve(_ events: Int16) {
        takeTurn {
            let (isReadable, isWritable) = (events & ~Int16(POLLOUT) != 0, events & Int16(POLLOUT) != 0)
            let connection = OpaquePointer(bitPattern: state.withLock { $0.connection })
            if isReadable, let connection { natsConnection_ProcessReadEvent(connection) }
            if isWritable { isDirty.store(true, ordering: .sequentiallyConsistent) }
            send()
        }
    }

    /// The library finds it broken, and connects anew.
    private func cut(_ socket: Int32) {
        state.withLock { state in
            guard state.reads, state.socket == socket, state.writes else { return }
            shutdown(socket, Int32(SHUT_RDWR))
        }
    }
}
