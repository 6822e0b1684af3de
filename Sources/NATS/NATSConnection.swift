import CNATS
import Dispatch
import Glibc
import Synchronization
import Waiting

/// A connection to a NATS server, kept up by reconnecting. No operation blocks a thread of Swift's pool.
///
/// Letting go of the last reference closes it.
public final class NATSConnection: Sendable {
    /// Where the connection stands.
    public enum State: Sendable, Hashable {
        case connected, reconnecting, draining, closed
    }

    /// Payloads up to this many bytes are written by the caller, larger ones by a thread of the connection's own: a
    /// write to a stalled server blocks.
    static let directWriteLimit = 16 << 10

    let handle: ConnectionHandle
    let events: ConnectionEvents
    private let writer = DispatchQueue(label: "nats.writer")
    private let inboxPrefix: String
    private let inbox: String
    private let inboxSubscription = Mutex<SubscriptionHandle?>(nil)

    private init(_ handle: ConnectionHandle, _ events: ConnectionEvents, inboxPrefix: String) {
        self.handle = handle
        self.events = events
        self.inboxPrefix = inboxPrefix
        inbox = "\(inboxPrefix).\(Self.randomToken())"
    }

    deinit {
        events.end()
        handle.close()
        events.close()
    }

    /// Connects to the first server that answers.
    ///
    /// - Throws: `connectionFailed`, `authorization`, `tls` with what OpenSSL says, or `invalidArgument` for options
    ///   that make no sense.
    public static func connect(_ options: NATSOptions) async throws(NATSError) -> NATSConnection {
        let outcome = await offPool { () -> Result<NATSConnection, NATSError> in
            do throws(NATSError) {
                return .success(try open(options))
            } catch {
                return .failure(error)
            }
        }
        let connection = try outcome.get()
        let requests = connection.events.requests
        let replies = connection.inbox + ".*"
        connection.events.setInbox(replies)
        let subscription = try await connection.subscribeHandle(replies, queue: nil) { message in
            guard let token = Self.token(of: message) else { return }
            requests.resume(token) { .success(NATSMessage(copying: message, subject: $0)) }
        }
        connection.inboxSubscription.withLock { $0 = subscription }
        return connection
    }

    private static func open(_ options: NATSOptions) throws(NATSError) -> NATSConnection {
        let events = ConnectionEvents(options)
        do throws(NATSError) {
            try Subject.validate(options.inboxPrefix)
            let handle = try OptionsHandle(options)
            try events.install(in: handle)
            let loop = try socketLoop(options)
            try loop?.install(in: handle)
            var pointer: OpaquePointer?
            try check(
                natsConnection_Connect(&pointer, handle.pointer),
                "connecting to \(options.urls.map(ServerURL.withoutCredentials).joined(separator: ", "))")
            guard let pointer else { throw NATSError(.internalError, "connecting gave nothing") }
            return NATSConnection(
                ConnectionHandle(pointer, loop, isBulk: options.isBulk), events, inboxPrefix: options.inboxPrefix)
        } catch {
            events.close()
            throw error
        }
    }

    /// Large payloads are better written without a copy; the library's writes over TLS may block within an event loop.
    private static func socketLoop(_ options: NATSOptions) throws(NATSError) -> SocketLoop? {
        let isSecure = options.tls != nil || options.urls.contains(where: ServerURL.isSecure)
        return options.isBulk || isSecure ? nil : try SocketLoop(stallLimit: options.writeDeadline)
    }

    /// Sends what `body` publishes in one write, on this thread.
    package func together<Value, Failure>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        try Burst.run(body)
    }

    /// Where the connection stands.
    public var state: State { events.current }

    /// Every change of state from now on; ends when the connection is closed. A slow reader misses the oldest.
    public func stateChanges() -> AsyncStream<State> { events.watchStates() }

    /// The most bytes that the current server takes in one message, headers included.
    public var maxPayload: Int {
        let limit = natsConnection_GetMaxPayload(handle.pointer)
        return limit > 0 ? Int(limit) : 1 << 20
    }

    /// The URL of the current server, without user and password.
    public var connectedURL: String? {
        var buffer = [CChar](repeating: 0, count: 512)
        guard natsConnection_GetConnectedUrl(handle.pointer, &buffer, buffer.count) == NATS_OK else { return nil }
        return ServerURL.withoutCredentials(
            String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    /// How many requests wait for a reply.
    public var pendingRequestCount: Int { events.requests.count }

    /// A subject that nobody else has.
    public func newInbox() -> String { "\(inboxPrefix).\(Self.randomToken())" }

    /// Hands a message to the server: no more is known when this returns.
    ///
    /// - Throws: `invalidArgument`, `maxPayload`, `disconnected`, `connectionClosed`. That the server forbids the
    ///   subject is told later, in the log.
    public func publish(
        _ subject: String, headers: NATSHeaders = [:], payload: [UInt8] = [], reply: String? = nil
    ) async throws(NATSError) {
        let message = try Outgoing(subject, headers, payload, reply, maxPayload)
        let handle = handle
        guard payload.count > Self.directWriteLimit else { return try message.write(to: handle) }
        let error: NATSError? = await withUnsafeContinuation { continuation in
            writer.async {
                handle.waitForRoom()
                continuation.resume(returning: message.tryWrite(to: handle))
            }
        }
        if let error { throw error }
    }

    /// The same on the calling thread, which must not be one of Swift's: it may wait for the connection.
    public func publishBlocking(
        _ subject: String, headers: NATSHeaders = [:], payload: [UInt8] = []
    ) throws(NATSError) {
        try Outgoing(subject, headers, payload, nil, maxPayload).write(to: handle)
    }

    /// Asks and waits for one reply.
    ///
    /// - Throws: `noResponders`, `timeout`, `permission`, `status` for any other status message (unless
    ///   `acceptStatus`), `connectionClosed`, `cancelled`, and what ``publish(_:headers:payload:reply:)`` throws. A reply that comes after that
    ///   is dropped.
    public func request(
        _ subject: String, headers: NATSHeaders = [:], payload: [UInt8] = [], timeout: Duration = .seconds(5),
        acceptStatus: Bool = false
    ) async throws(NATSError) -> NATSMessage {
        let reply = try await start(subject, headers: headers, payload: payload, timeout: timeout).value()
        if !acceptStatus { try reply.refuseStatus(from: subject) }
        return reply
    }

    /// Queues a request behind those queued before: they go out in this order. `complete` runs once, on any thread.
    func enqueueRequest(
        _ subject: String, headers: NATSHeaders, payload: [UInt8], timeout: Duration,
        complete: @escaping @Sendable (Result<NATSMessage, NATSError>) -> Void
    ) throws(NATSError) {
        let message = try Outgoing(subject, headers, payload, nil, maxPayload)
        let token = try events.requests.start(subject: subject, timeout: timeout, complete: complete)
        write(message, token, directLimit: -1)
    }

    /// Sends the request `token`; where that fails, its outcome is the failure.
    func write(_ message: Outgoing, _ token: UInt64, directLimit: Int = directWriteLimit) {
        var message = message
        message.reply = "\(inbox).\(token)"
        let (ready, handle, requests) = (message, handle, events.requests)
        let write: @Sendable () -> Void = {
            if let error = ready.tryWrite(to: handle) { requests.resume(token, .failure(error)) }
        }
        guard ready.payload.count > directLimit else { return write() }
        writer.async {
            handle.waitForRoom()
            write()
        }
    }

    /// Receives what is published to `subject` from now on: the server knows of it when this returns.
    ///
    /// - Parameters:
    ///   - queue: the queue group; each message goes to one member of it.
    ///   - capacity: how many messages may wait for the reader.
    ///   - overflow: what happens to one more.
    ///   - onDrop: told of each message that was dropped; runs on the delivery thread and must not block.
    public func subscribe(
        _ subject: String, queue: String? = nil, capacity: Int = 1024,
        overflow: NATSSubscription.Overflow = .dropNewest, onDrop: (@Sendable (NATSMessage) -> Void)? = nil
    ) async throws(NATSError) -> NATSSubscription {
        let messages = MessageQueue(capacity: capacity, overflow: overflow) { [events] message in
            events.countDropped()
            onDrop?(message)
        }
        return try await subscribe(subject, queue, ending: messages) { messages.push($0) }
    }

    /// Gives what is published to `subject` from now on to `receive`, on the delivery thread, which it must not hold up
    /// for long: a wake-up less for each message. The subscription tells of the end only, which comes after the last one.
    public func subscribe(
        _ subject: String, queue: String? = nil, receive: @escaping @Sendable (NATSMessage) -> Void
    ) async throws(NATSError) -> NATSSubscription {
        let messages = MessageQueue(capacity: 1, overflow: .dropNewest, onDrop: nil)
        return try await subscribe(subject, queue, ending: messages, receive)
    }

    private func subscribe(
        _ subject: String, _ queue: String?, ending messages: MessageQueue,
        _ receive: @escaping @Sendable (NATSMessage) -> Void
    ) async throws(NATSError) -> NATSSubscription {
        try Subject.validate(subject, wildcards: true)
        if let queue { try Subject.validate(queue) }
        events.add(messages, subject: subject)
        let handle = try await subscribeHandle(subject, queue: queue) {
            receive(NATSMessage(copying: $0))
        } complete: {
            messages.finish(nil)
        }
        try await flush()
        return NATSSubscription(subject: subject, messages: messages, handle: handle, connection: self)
    }

    private func subscribeHandle(
        _ subject: String, queue: String?, receive: @escaping @Sendable (OpaquePointer) -> Void,
        complete: @escaping @Sendable () -> Void = {}
    ) async throws(NATSError) -> SubscriptionHandle {
        let handle = handle
        let outcome = await offPool { () -> Result<SubscriptionHandle, NATSError> in
            do throws(NATSError) {
                return .success(try SubscriptionHandle(handle, subject, queue, receive, complete: complete))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    /// Waits until the server has seen everything that was published.
    public func flush(timeout: Duration = .seconds(10)) async throws(NATSError) {
        let handle = handle
        let status = await offPool { natsConnection_FlushTimeout(handle.pointer, timeout.milliseconds) }
        try check(status, "flushing the connection")
    }

    /// Stops receiving, gives what was received, flushes and closes.
    public func drain(timeout: Duration = .seconds(10)) async {
        guard state != .closed else { return }
        events.change(to: .draining)
        let changes = stateChanges()
        let handle = handle
        // Refused while reconnecting: then there is nobody to drain from, and nothing would end the wait.
        let status = await offPool { natsConnection_DrainTimeout(handle.pointer, timeout.milliseconds) }
        if status == NATS_OK { for await state in changes where state == .closed { break } }
        await close()
    }

    /// Closes at once: requests under way fail, subscriptions end.
    public func close() async {
        let handle = handle
        events.end()
        await offPool { handle.close() }
        events.close()
    }

    /// A reply's subject ends with the number of the request; its `subject` is the request's.
    private static func token(of message: OpaquePointer) -> UInt64? {
        guard let subject = natsMsg_GetSubject(message), let last = strrchr(subject, Int32(UInt8(ascii: "."))) else {
            return nil
        }
        var end: UnsafeMutablePointer<CChar>?
        let token = strtoull(last + 1, &end, 10)
        return end?.pointee == 0 ? UInt64(token) : nil
    }

    private static func randomToken() -> String {
        String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
    }
}
