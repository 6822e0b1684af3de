import CNATS
import Logging
import Synchronization

/// What the library's connection callbacks report to. They find it by number in a registry, so that a late callback
/// finds nothing instead of freed memory.
final class ConnectionEvents: Sendable {
    private struct Registry {
        var events: [UInt: ConnectionEvents] = [:]
        var nextNumber: UInt = 0
    }

    private static let registry = Mutex(Registry())

    private typealias StateWatcher = AsyncStream<NATSConnection.State>.Continuation

    private struct State {
        var state = NATSConnection.State.connected
        /// Whether it is closed here.
        var isEnding = false
        var watchers: [StateWatcher] = []
        var queues: [ObjectIdentifier: WeakQueue] = [:]
        var inbox: String?
    }

    private struct WeakQueue {
        weak var queue: MessageQueue?
        let subject: String
    }

    private let state = Mutex(State())
    let number: UInt
    let requests: PendingRequests
    private let logger: Logger?
    private let dropped = Atomic(0)
    private let errors = Atomic(0)

    init(_ options: NATSOptions) {
        requests = PendingRequests(capacity: options.maxPendingRequests)
        logger = options.logger
        number = Self.registry.withLock { registry in
            registry.nextNumber += 1
            return registry.nextNumber
        }
        Self.registry.withLock { $0.events[number] = self }
    }

    /// Tells the library to report here.
    func install(in options: OptionsHandle) throws(NATSError) {
        let context = UnsafeMutableRawPointer(bitPattern: number)
        try check(
            natsOptions_SetDisconnectedCB(
                options.pointer, { _, context in ConnectionEvents.find(context)?.change(to: .reconnecting) }, context),
            "disconnected callback")
        try check(
            natsOptions_SetReconnectedCB(
                options.pointer, { _, context in ConnectionEvents.find(context)?.change(to: .connected) }, context),
            "reconnected callback")
        try check(
            natsOptions_SetClosedCB(
                options.pointer, { _, context in ConnectionEvents.find(context)?.close() }, context),
            "closed callback")
        try check(
            // The subscription argument may be freed already: it is never looked at.
            natsOptions_SetErrorHandler(
                options.pointer,
                { _, _, status, context in
                    ConnectionEvents.find(context)?.report(status)
                }, context), "error handler")
    }

    private static func find(_ context: UnsafeMutableRawPointer?) -> ConnectionEvents? {
        let number = UInt(bitPattern: context)
        return registry.withLock { $0.events[number] }
    }

    /// How many messages readers were too slow for.
    var droppedCount: Int { dropped.load(ordering: .relaxed) }

    /// How many errors the server reported beside any operation.
    var errorCount: Int { errors.load(ordering: .relaxed) }

    func countDropped() { dropped.add(1, ordering: .relaxed) }

    var current: NATSConnection.State { state.withLock { $0.state } }

    func change(to new: NATSConnection.State) {
        let change = state.withLock { state -> (watchers: [StateWatcher], isLoss: Bool)? in
            let isEnding = state.isEnding || state.state == .draining
            guard state.state != .closed, state.state != new else { return nil }
            // That a connection breaks which is closed here is no news.
            if isEnding, new == .reconnecting || new == .connected { return nil }
            state.state = new
            return (state.watchers, !isEnding && (new == .reconnecting || new == .closed))
        }
        guard let change else { return }
        // The server may know better of permissions by now; it says so again otherwise.
        if new == .connected { requests.admit() }
        if !change.watchers.isEmpty || new != .closed {
            logger?.log(level: change.isLoss ? .warning : .info, "NATS connection is \(new)")
        }
        change.watchers.forEach { $0.yield(new) }
    }

    /// The connection is about to be closed here.
    func end() { state.withLock { $0.isEnding = true } }

    /// The connection is over: every request and subscription ends.
    func close() {
        change(to: .closed)
        requests.close(NATSError(.connectionClosed, "the NATS connection is closed"))
        let (watchers, queues) = state.withLock { state in
            defer {
                state.watchers = []
                state.queues = [:]
            }
            return (state.watchers, state.queues.values.compactMap(\.queue))
        }
        watchers.forEach { $0.finish() }
        queues.forEach { $0.finish(nil) }
        Self.registry.withLock { _ = $0.events.removeValue(forKey: number) }
    }

    func watchStates() -> AsyncStream<NATSConnection.State> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: NATSConnection.State.self, bufferingPolicy: .bufferingNewest(16))
        state.withLock { state in
            if state.state == .closed { continuation.finish() } else { state.watchers.append(continuation) }
        }
        return stream
    }

    /// What the subjects begin with on which the replies to all requests come.
    func setInbox(_ subject: String) { state.withLock { $0.inbox = subject } }

    func add(_ queue: MessageQueue, subject: String) {
        state.withLock { state in
            state.queues = state.queues.filter { $0.value.queue != nil }
            state.queues[ObjectIdentifier(queue)] = WeakQueue(queue: queue, subject: subject)
        }
    }

    /// The library gives the callback's thread the text of this very error; the connection's own last error may be a
    /// later one's already.
    private func report(_ status: natsStatus) {
        let detail = nats_GetLastError(nil).map { String(cString: $0) } ?? ""
        guard var error = NATSError(status, detail.isEmpty ? "NATS connection" : detail) else { return }
        if detail.lowercased().contains("permissions violation") { error.code = .permission }
        errors.add(1, ordering: .relaxed)
        logger?.warning("NATS: \(error)")
        if error.code == .permission { failOperation(detail, error) }
    }

    /// The server names the subject: `Permissions Violation for Publish to "a.b"`.
    private func failOperation(_ detail: String, _ error: NATSError) {
        let parts = detail.split(separator: "\"", omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return }
        let subject = String(parts[1])
        if parts[0].lowercased().contains("publish") {
            requests.fail(subject: subject, error)
        } else if let inbox = state.withLock({ $0.inbox }), subject.hasPrefix(inbox) {
            let text = "\(error.message); no reply can come: give the inbox prefix that this user may subscribe to"
            requests.refuse(NATSError(.permission, text))
        } else {
            let queues = state.withLock { $0.queues.values.filter { $0.subject == subject }.compactMap(\.queue) }
            queues.forEach { $0.finish(error) }
        }
    }
}
