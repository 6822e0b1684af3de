import CNATS
import Dispatch
import Glibc
import Synchronization
import Waiting

/// Owns a library's connection.
///
/// `@unchecked Sendable`: the pointer never changes, and the library locks the connection in every call.
final class ConnectionHandle: @unchecked Sendable {
    /// More than this waits for a server that is too slow only where somebody can wait with it.
    private static let mostBehind = (awaited: 1 << 20, atAll: 64 << 20)

    let pointer: OpaquePointer
    /// Nil: the library reads and writes the socket.
    let loop: SocketLoop?
    /// Whether it is for large payloads.
    let isBulk: Bool

    init(_ pointer: OpaquePointer, _ loop: SocketLoop?, isBulk: Bool) {
        self.pointer = pointer
        self.loop = loop
        self.isBulk = isBulk
    }

    deinit {
        // Destroying waits for the read loop: not on whatever thread let go.
        let box = SendablePointer(pointer)
        DispatchQueue.global().async { [loop] in
            Self.close(box.pointer, loop)
            natsConnection_Destroy(box.pointer)
        }
    }

    func close() {
        Self.close(pointer, loop)
    }

    private static func close(_ pointer: OpaquePointer, _ loop: SocketLoop?) {
        guard let loop else { return natsConnection_Close(pointer) }
        // What was published before goes out, if the server takes it.
        if loop.isBehind { _ = natsConnection_FlushTimeout(pointer, loop.stallLimit.milliseconds) }
        loop.close { natsConnection_Close(pointer) }
    }

    /// Runs a call that sends something to the server.
    ///
    /// - Throws: `disconnected` where the server is much too slow for what is sent.
    func send(_ action: @autoclosure () -> String, _ call: () -> natsStatus) throws(NATSError) {
        guard let loop else { return try check(call(), action()) }
        if loop.isBehind, natsConnection_Buffered(pointer) > Self.mostBehind.atAll {
            throw NATSError(.disconnected, "\(action()): the server has not taken what came before; try again later")
        }
        loop.beginWriting()
        defer { loop.endWriting() }
        try check(call(), action())
    }

    /// The subject for the reply to a request, where one of its own can be had.
    func takeReplySlot(_ token: UInt64) -> String? {
        loop.flatMap { $0.inlets.replies.take(token, self, $0) }
    }

    /// That request asks for nothing any more.
    func abandonReplySlot(_ token: UInt64) { loop?.inlets.replies.abandon(token) }

    /// Blocks while the server is behind with what was published before.
    func waitForRoom() {
        guard let loop else { return }
        while loop.isBehind, natsConnection_Status(pointer) == NATS_CONN_STATUS_CONNECTED,
            natsConnection_Buffered(pointer) > Self.mostBehind.awaited
        {
            usleep(200)
        }
    }
}

/// A pointer on its way to another thread.
///
/// `@unchecked Sendable`: whoever makes one hands the pointer over and uses it no more.
private struct SendablePointer: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }
}
