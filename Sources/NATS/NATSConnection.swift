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
    /// Held by whoever publishes several messages that belong together.
    private let order = Mutex(())
    private let inboxPrefix: String
    private let inbox: String
    /// For the replies to requests that have no slot.
    private let inboxSubscription = Mutex<CalledSubscription?>(nil)
    private let subscriptions = Mutex<[WeakSubscription]>([])

    private struct WeakSubscription {
        weak var subscription: NATSSubscription?
    }

    private init(_ handle: ConnectionHandle, _ events: ConnectionEvents, inboxPrefix: String) {
        self.handle = handle
        self.events = events
        self.inboxPrefix = inboxPrefix
        inbox = "\(inboxPrefix).\(Self.randomToken())"
    }

    deinit {
        events.end()
        events.close()
    }

    /// Connects to the first server that answers.
    ///
    /// - Throws: `connectionFailed`, `authorization`, `tls` with what OpenSSL says, or `invalidArgument` for options
    ///   that make no sense.
    public static func connect(_ options: NATSOptions) async throws(NATSError) -> NATSConnection {
        let connection = try await offPool { () throws(NATSError) in try open(options) }
        try await connection.openInbox()
        return connection
    }

    private func openInbox() async throws(NATSError) {
        events.setInbox(inbox)
        let (handle, requests, subject) = (handle, events.requests, inbox + ".*")
        let subscription = try await offPool { () throws(NATSError) in
            try CalledSubscription(handle, subject, nil) { message in
                guard let token = Self.token(of: message) else { return }
                requests.answer(token) { NATSMessage(copying: message, subject: $0) }
            }
        }
        inboxSubscription.withLock { $0 = subscription }
        handle.loop?.inlets.replies.open(requests, inbox: inbox)
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

    /// Sends what `body` publishes in one write, with nothing in between that others publish so.
    func sendInOrder(_ body: () -> Void) {
        together { order.withLock { _ in body() } }
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
        try await offPool(on: writer) { () throws(NATSError) in
            handle.waitForRoom()
            try message.write(to: handle)
        }
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

    /// Sends the request `token`, unless it has been given up; where that fails, its outcome is the failure.
    func write(_ message: Outgoing, _ token: UInt64, directLimit: Int = directWriteLimit) {
        let (handle, requests, inbox) = (handle, events.requests, inbox)
        let write: @Sendable () -> Void = {
            var message = message
            message.reply = handle.takeReplySlot(token) ?? "\(inbox).\(token)"
            guard requests.isPending(token) else { return handle.abandonReplySlot(token) }
            do throws(NATSError) {
                try message.write(to: handle)
            } catch {
                requests.fail(token, error)
            }
        }
        guard message.payload.count > directLimit else { return write() }
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
        let handle = try await subscribeHandle(subject, queue, receive) { messages.finish(nil) }
        try await flush()
        let subscription = NATSSubscription(subject: subject, messages: messages, handle: handle, connection: self)
        subscriptions.withLock { subscriptions in
            subscriptions.removeAll { $0.subscription == nil }
            subscriptions.append(WeakSubscription(subscription: subscription))
        }
        return subscription
    }

    private func subscribeHandle(
        _ subject: String, _ queue: String?, _ receive: @escaping @Sendable (NATSMessage) -> Void,
        complete: @escaping @Sendable () -> Void
    ) async throws(NATSError) -> any SubscriptionHandle {
        let handle = handle
        return try await offPool { () throws(NATSError) in
            if let loop = handle.loop {
                return try PolledSubscription(handle, loop, subject, queue, receive, complete: complete)
            }
            return try CalledSubscription(
                handle, subject, queue, { receive(NATSMessage(copying: $0)) }, complete: complete)
        }
    }

    /// Waits until the server has seen everything that was published.
    public func flush(timeout: Duration = .seconds(10)) async throws(NATSError) {
        let handle = handle
        let status = await offPool { natsConnection_FlushTimeout(handle.pointer, timeout.milliseconds) }
        try check(status, "flushing the connection")
    }

    /// Stops receiving, gives what was received, flushes and closes; while the server is away it closes at once.
    public func drain(timeout: Duration = .seconds(10)) async {
        switch state {
        case .closed: return
        case .reconnecting: return await close()
        case .draining:
            for await state in stateChanges() where state == .closed { break }
            return
        case .connected: events.change(to: .draining)
        }
        let subscriptions = subscriptions.withLock { $0.compactMap(\.subscription) }
        await withTaskGroup { group in
            for subscription in subscriptions { group.addTask { await subscription.drain() } }
        }
        // The server may have gone away meanwhile.
        try? await flush(timeout: timeout)
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
    static func token(of message: OpaquePointer) -> UInt64? {
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
