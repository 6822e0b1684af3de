import Logging
import NATS
import Storage
import StorageWire
import Synchronization

/// How many requests an instance works on, and no more.
final class Permits: Sendable {
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
    let permits: Permits
    let monitor: InstanceMonitor
    let statistics: PortStatistics
    let logger: Logger

    static let overCapacity = Reply(
        StorageError(.unavailable, "the component works on as many requests as it may; try again later"))

    /// Answers until the subscription ends, and what is under way after that.
    func run(_ subscription: NATSSubscription) async throws {
        let underWay = UnderWay()
        do {
            try await receive(subscription, underWay)
        } catch {
            await underWay.finish()
            throw error
        }
        await underWay.finish()
    }

    private func receive(_ subscription: NATSSubscription, _ underWay: UnderWay) async throws {
        for try await message in subscription {
            guard let replySubject = message.reply else {
                logger.debug("request on \(message.subject) without a reply subject: ignored")
                continue
            }
            guard permits.take() else {
                await refuse(replySubject)
                continue
            }
            serve(Request(message), replySubject, underWay)
        }
    }

    /// Works in a task of its own, so that the deadline can answer while the work still cleans up.
    private func serve(_ request: Request, _ replySubject: String, _ underWay: UnderWay) {
        let call = Call()
        let limit: Duration
        begin(underWay)
        do throws(StorageError) {
            try request.validate()
            let timeout = monitor.limits.requestTimeout
            limit = min(try RequestCodec.timeout(in: request.headers) ?? timeout, timeout)
        } catch {
            Task {
                await fail(error, request, replySubject, call.start)
                end(underWay)
            }
            return
        }
        let task = Task {
            await work(request, replySubject, call)
            Timeouts.shared.cancel(call.timer)
            end(underWay)
        }
        call.timer = Timeouts.shared.schedule(after: limit) {
            guard call.isFirst() else { return }
            task.cancel()
            Task {
                let error = StorageError(.timeout, "the request took longer than \(limit); it was cancelled")
                await fail(error, request, replySubject, call.start)
            }
        }
        // The answer may have been quicker than this.
        if call.isOver { Timeouts.shared.cancel(call.timer) }
    }

    private func begin(_ underWay: UnderWay) {
        underWay.begin()
        monitor.began()
    }

    private func end(_ underWay: UnderWay) {
        permits.giveBack()
        monitor.ended()
        underWay.end()
    }

    private func work(_ request: Request, _ replySubject: String, _ call: Call) async {
        do throws(StorageError) {
            let reply = try await endpoint.answer(request)
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
        let level: Logger.Level = error.errorClass == .fatal ? .error : .debug
        logger.log(level: level, "\(port.rawValue): \(error)", metadata: request.logMetadata)
        let key = request.headers.first(WireHeader.key)
        if error.errorClass != .notFound { events.failed(error, port.rawValue, key: key, request) }
        let reply = Reply(error)
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

    /// Answers a request for which there is no room.
    func refuse(_ replySubject: String) async {
        let reply = Self.overCapacity
        statistics.count(
            Answered(
                operation: port.rawValue, duration: .zero, bytesOut: reply.payload.count, code: reply.code,
                error: reply.headers.first(WireHeader.error)))
        await send(reply, to: replySubject)
    }

    func send(_ reply: Reply, to subject: String) async {
        do throws(NATSError) {
            try await connection.publish(
                subject, headers: NATSHeaders(reply.headers.map { ($0.name, $0.value) }), payload: reply.payload)
        } catch {
            logger.warning("reply not sent: \(error)")
        }
    }
}
