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
    private let loop: SocketLoop?
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

    /// Runs a call that publishes to `subject`.
    ///
    /// - Throws: `disconnected` where the server is much too slow for what is published.
    func publish(_ subject: String, _ call: () -> natsStatus) throws(NATSError) {
        var task: String { "publishing to “\(subject)”" }
        guard let loop else { return try check(call(), task) }
        if loop.isBehind, natsConnection_Buffered(pointer) > Self.mostBehind.atAll {
            throw NATSError(.disconnected, "\(task): the server has not taken what came before; try again later")
        }
        loop.beginWriting()
        defer { loop.endWriting() }
        try check(call(), task)
    }

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

/// Owns a library's subscription. Letting go unsubscribes.
final class SubscriptionHandle: Sendable {
    /// What the callbacks see. The library holds one reference, released in the completion callback: after that, and
    /// not before, no message callback runs.
    private final class Context: Sendable {
        let receive: @Sendable (OpaquePointer) -> Void
        let complete: @Sendable () -> Void
        /// Whether a message wakes work that takes long: a chunk is hashed when the one before it is stored.
        let isBulk: Bool
        /// The subscription; 0 before it is made and after it is destroyed, which a handle may outlive.
        let pointer = Mutex<UInt>(0)

        init(
            _ receive: @escaping @Sendable (OpaquePointer) -> Void, _ complete: @escaping @Sendable () -> Void,
            isBulk: Bool
        ) {
            self.receive = receive
            self.complete = complete
            self.isBulk = isBulk
        }

        /// Lends the subscription out, unless it is destroyed; it is not destroyed meanwhile.
        func withSubscription(_ body: (OpaquePointer) -> Void) {
            pointer.withLock { address in
                if let pointer = OpaquePointer(bitPattern: address) { body(pointer) }
            }
        }

        func destroySubscription() {
            let address = pointer.withLock { address in
                defer { address = 0 }
                return address
            }
            natsSubscription_Destroy(OpaquePointer(bitPattern: address))
        }
    }

    /// The read loop may still use a subscription after its completion callback; freed at once it would be used after.
    private static let grace = DispatchTimeInterval.seconds(5)

    private let context: Context
    private let isEnded = Mutex(false)

    init(
        _ connection: ConnectionHandle, _ subject: String, _ queue: String?,
        _ receive: @escaping @Sendable (OpaquePointer) -> Void, complete: @escaping @Sendable () -> Void = {}
    ) throws(NATSError) {
        let context = Context(receive, complete, isBulk: connection.isBulk)
        let closure = Unmanaged.passRetained(context).toOpaque()
        var pointer: OpaquePointer?
        let status =
            if let queue {
                natsConnection_QueueSubscribe(
                    &pointer, connection.pointer, subject, queue, Self.received, closure)
            } else {
                natsConnection_Subscribe(&pointer, connection.pointer, subject, Self.received, closure)
            }
        guard status == NATS_OK, let pointer else {
            Unmanaged<Context>.fromOpaque(closure).release()
            throw NATSError(status, "subscribing to “\(subject)”")
                ?? NATSError(.internalError, "subscribing to “\(subject)” gave nothing")
        }
        self.context = context
        context.pointer.withLock { $0 = UInt(bitPattern: pointer) }
        _ = natsSubscription_SetPendingLimits(pointer, -1, -1)
        _ = natsSubscription_SetOnCompleteCB(pointer, Self.completed, closure)
    }

    deinit {
        unsubscribe()
    }

    /// Stops receiving; idempotent.
    func unsubscribe() {
        let ends = isEnded.withLock { isEnded in
            defer { isEnded = true }
            return !isEnded
        }
        if ends { context.withSubscription { _ = natsSubscription_Unsubscribe($0) } }
    }

    /// Tells the server to send no more, and takes what it has sent: completes after that. False where that can't be:
    /// the server is away.
    func drain() -> Bool {
        let ends = isEnded.withLock { isEnded in
            defer { isEnded = true }
            return !isEnded
        }
        guard ends else { return true }
        var status = NATS_OK
        context.withSubscription { status = natsSubscription_DrainTimeout($0, 5000) }
        if status != NATS_OK { context.withSubscription { _ = natsSubscription_Unsubscribe($0) } }
        return status == NATS_OK
    }

    /// Runs on the subscription's own thread.
    private static let received: natsMsgHandler = { _, subscription, message, closure in
        guard let message, let closure else { return }
        let context = Unmanaged<Context>.fromOpaque(closure).takeUnretainedValue()
        Burst.run(takingJobs: !context.isBulk && isAlone(message, subscription)) {
            context.receive(message)
            Discards.add(message)
        }
    }

    /// Whether it is small, and no other waits behind it.
    private static func isAlone(_ message: OpaquePointer, _ subscription: OpaquePointer?) -> Bool {
        var waiting: UInt64 = 0
        return natsMsg_GetDataLength(message) <= NATSConnection.directWriteLimit
            && natsSubscription_QueuedMsgs(subscription, &waiting) == NATS_OK && waiting == 0
    }

    /// Runs on the subscription's own thread, after the last message callback.
    private static let completed: natsOnCompleteCB = { closure in
        guard let closure else { return }
        let context = Unmanaged<Context>.fromOpaque(closure).takeRetainedValue()
        context.complete()
        DispatchQueue.global().asyncAfter(deadline: .now() + grace) { context.destroySubscription() }
    }
}

/// A validated message on its way out.
struct Outgoing: Sendable {
    let subject: String
    let headers: NATSHeaders
    let payload: [UInt8]
    var reply: String?

    init(
        _ subject: String, _ headers: NATSHeaders, _ payload: [UInt8], _ reply: String?, _ limit: Int
    ) throws(NATSError) {
        try Subject.validate(subject)
        if let reply { try Subject.validate(reply) }
        try headers.validate()
        guard payload.count <= limit else {
            throw NATSError(
                .maxPayload, "\(payload.count) bytes to “\(subject)” are over the server's limit of \(limit)")
        }
        self.subject = subject
        self.headers = headers
        self.payload = payload
        self.reply = reply
    }

    func tryWrite(to connection: ConnectionHandle) -> NATSError? {
        do throws(NATSError) {
            try write(to: connection)
            return nil
        } catch {
            return error
        }
    }

    func write(to connection: ConnectionHandle) throws(NATSError) {
        guard headers.isEmpty else { return try writeWithHeaders(to: connection) }
        try connection.publish(subject) {
            payload.withUnsafeBytes { bytes in
                let length = Int32(clamping: bytes.count)
                return if let reply {
                    natsConnection_PublishRequest(connection.pointer, subject, reply, bytes.baseAddress, length)
                } else {
                    natsConnection_Publish(connection.pointer, subject, bytes.baseAddress, length)
                }
            }
        }
    }

    private func writeWithHeaders(to connection: ConnectionHandle) throws(NATSError) {
        var message: OpaquePointer?
        let created = payload.withUnsafeBytes { bytes in
            natsMsg_Create(
                &message, subject, reply, bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                Int32(clamping: bytes.count))
        }
        try check(created, "making a message to “\(subject)”")
        defer { if let message { Discards.add(message) } }
        for (name, value) in headers.fields {
            try check(natsMsgHeader_Add(message, name, value), "header “\(name)”")
        }
        try connection.publish(subject) { natsConnection_PublishMsg(connection.pointer, message) }
    }
}
