import Logging
import NATS
import Storage
import StorageWire
import Synchronization
import Waiting

/// How many requests an instance works on, and no more.
final class RequestLimit: Sendable {
    private let limit: @Sendable () -> Int
    private let taken = Mutex(0)

    /// - Parameter limit: how many; may change.
    init(_ limit: @escaping @Sendable () -> Int) {
        self.limit = limit
    }

    func take() -> Bool {
        let limit = limit()
        return taken.withLock { taken in
            guard taken < limit else { return false }
            taken += 1
            return true
        }
    }

    func giveBack() {
        taken.withLock { $0 -= 1 }
    }
}

/// One request's: whoever answers first is the one who does.
private final class Call: Sendable {
    let start = ContinuousClock.now
    private let isAnswered = Atomic(false)
    private let timerToken = Atomic<UInt64>(0)

    /// The deadline's timer.
    var timer: UInt64 {
        get { timerToken.load(ordering: .relaxed) }
        set { timerToken.store(newValue, ordering: .relaxed) }
    }

    var isOver: Bool { isAnswered.load(ordering: .relaxed) }

    func isFirst() -> Bool { !isAnswered.exchange(true, ordering: .relaxed) }
}

/// Serves one port: every request is answered once, within its deadline.
struct PortServer: Sendable {
    let port: Port
    let endpoint: any Endpoint
    let connection: NATSConnection
    let events: EventPublisher
    let capacity: RequestLimit
    let monitor: InstanceMonitor
    let statistics: PortStatistics
    let logger: Logger
    private let overCapacity: Reply
    private let underWay = UnderWay()

    init(
        port: Port, endpoint: any Endpoint, connection: NATSConnection, events: EventPublisher, capacity: RequestLimit,
        monitor: InstanceMonitor, statistics: PortStatistics, logger: Logger
    ) {
        self.port = port
        self.endpoint = endpoint
        self.connection = connection
        self.events = events
        self.capacity = capacity
        self.monitor = monitor
        self.statistics = statistics
        self.logger = logger
        overCapacity = endpoint.reply(
            to: StorageError(.unavailable, "the component works on as many requests as it may; try again later"))
    }

    /// Takes requests from now on; see ``run(_:)``.
    func listen(_ subject: String, queue: String? = nil) async throws(NATSError) -> NATSSubscription {
        try await connection.subscribe(subject, queue: queue) { receive($0) }
    }

    /// Returns when the subscription has ended, and everything is answered.
    func run(_ subscription: NATSSubscription) async throws {
        do {
            for try await _ in subscription {}
        } catch {
            endpoint.noMoreCome()
            await underWay.finish()
            throw error
        }
        endpoint.noMoreCome()
        await underWay.finish()
    }

    /// On the delivery thread.
    private func receive(_ message: NATSMessage) {
        guard let replySubject = message.reply else {
            logger.debug("request on \(message.subject) without a reply subject: ignored")
            return
        }
        if capacity.take() { serve(Request(message), replySubject) } else { refuse(replySubject) }
    }

    /// Works in a task of its own, so that the deadline can answer while the work still cleans up.
    private func serve(_ request: Request, _ replySubject: String) {
        let call = Call()
        let limit: Duration
        begin()
        do throws(StorageError) {
            try request.validate()
            limit = try RequestCodec.timeout(in: request.headers) ?? monitor.limits.requestTimeout
        } catch {
            Task {
                await fail(error, request, replySubject, call.start)
                end()
            }
            return
        }
        let work = endpoint.begin(request)
        let task = Task(executorPreference: DeliveryExecutor.shared) {
            await answer(work, request, replySubject, call)
            Timeouts.shared.cancel(call.timer)
            end()
        }
        call.timer = Timeouts.shared.schedule(after: limit) {
            guard call.isFirst() else { return }
            task.cancel()
            Task {
                await fail(overdue(request, limit), request, replySubject, call.start)
            }
        }
        // The answer may have been quicker than this.
        if call.isOver { Timeouts.shared.cancel(call.timer) }
    }

    private func overdue(_ request: Request, _ limit: Duration) -> StorageError {
        let advice =
            port.changes
            ? "it may have happened, so look before you try again" : "try again, or allow more by \(WireHeader.timeout)"
        let key = endpoint.key(of: request)
        let what = key.map { "\(port.rawValue) of “\($0.abbreviated)”" } ?? port.rawValue
        return StorageError(.timeout, "\(what) took longer than \(limit) and was cancelled: \(advice)", key: key)
    }

    private func begin() {
        underWay.begin()
        monitor.began()
    }

    private func end() {
        capacity.giveBack()
        monitor.ended()
        underWay.end()
    }

    private func answer(_ work: Work, _ request: Request, _ replySubject: String, _ call: Call) async {
        do throws(StorageError) {
            let reply = try await work()
            guard call.isFirst() else { return }
            count(request, reply, since: call.start)
            logger.trace("\(port.rawValue): answered", metadata: request.logMetadata)
            await send(reply, to: replySubject)
        } catch {
            if call.isFirst() { await fail(error, request, replySubject, call.start) }
        }
    }

    private func fail(
        _ error: StorageError, _ request: Request, _ replySubject: String, _ start: ContinuousClock.Instant
    ) async {
        logger.failed(port.rawValue, error, request)
        if !endpoint.isReportedElsewhere(error, of: request) {
            events.failed(error, port.rawValue, key: endpoint.key(of: request), request)
        }
        let reply = endpoint.reply(to: error)
        count(request, reply, since: start)
        await send(reply, to: replySubject)
    }

    private func count(_ request: Request, _ reply: Reply, since start: ContinuousClock.Instant) {
        let operation = reply.operation ?? endpoint.operation(request) ?? port.rawValue
        statistics.count(
            Answered(
                operation: operation, duration: .now - start, bytesIn: request.payload.count,
                bytesOut: reply.payload.count, code: reply.code, error: reply.headers.first(WireHeader.error)))
    }

    /// Answers a request for which there is no room, on the delivery thread: a flood waits for its answers.
    private func refuse(_ replySubject: String) {
        let reply = overCapacity
        statistics.count(
            Answered(
                operation: port.rawValue, duration: .zero, bytesOut: reply.payload.count, code: reply.code,
                error: reply.headers.first(WireHeader.error)))
        do throws(NATSError) {
            try connection.publishBlocking(replySubject, headers: NATSHeaders(reply), payload: reply.payload)
        } catch {
            logger.warning("reply not sent: \(error)")
        }
    }

    private func send(_ reply: Reply, to subject: String) async {
        do throws(NATSError) {
            try await publish(reply, to: subject)
        } catch {
            logger.warning("reply not sent: \(error)")
            guard let said = Self.said(error) else { return }
            // A subject that is none takes no other reply either.
            try? await publish(endpoint.reply(to: said), to: subject)
        }
    }

    private func publish(_ reply: Reply, to subject: String) async throws(NATSError) {
        try await connection.publish(subject, headers: NATSHeaders(reply), payload: reply.payload)
    }

    /// What whoever asked is told of a reply that can't be sent.
    private static func said(_ error: NATSError) -> StorageError? {
        switch error.code {
        case .maxPayload:
            StorageError(.tooLarge, "the request was worked on, but the reply is over the server's max_payload")
        case .invalidArgument:
            StorageError(.internal, "the request was worked on, but the reply holds what no header can carry")
        default: nil
        }
    }
}

extension Port {
    /// Whether what is asked for there may change objects.
    fileprivate var changes: Bool { [.put, .delete, .upload, .api].contains(self) }
}

extension NATSHeaders {
    fileprivate init(_ reply: Reply) { self.init(reply.headers.map { ($0.name, $0.value) }) }
}
