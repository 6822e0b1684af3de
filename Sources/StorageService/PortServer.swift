import Logging
import NATS
import Storage
import StorageWire
import Synchronization

/// How many requests an instance works on, and no more.
final class Permits: Sendable {
    private let free: Mutex<Int>

    init(_ count: Int) {
        free = Mutex(count)
    }

    func take() -> Bool {
        free.withLock { free in
            guard free > 0 else { return false }
            free -= 1
            return true
        }
    }

    func giveBack() {
        free.withLock { $0 += 1 }
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
    let timeout: Duration
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
                await send(Self.overCapacity, to: replySubject)
                continue
            }
            serve(Request(message), replySubject, underWay)
        }
    }

    /// Works in a task of its own, so that the deadline can answer while the work still cleans up.
    private func serve(_ request: Request, _ replySubject: String, _ underWay: UnderWay) {
        let call = Call()
        let limit: Duration
        do throws(StorageError) {
            try request.validate()
            limit = min(try RequestCodec.timeout(in: request.headers) ?? timeout, timeout)
        } catch {
            underWay.begin()
            Task {
                await fail(error, request, replySubject, call.start)
                permits.giveBack()
                underWay.end()
            }
            return
        }
        underWay.begin()
        let task = Task {
            await work(request, replySubject, call)
            Timeouts.shared.cancel(call.timer)
            permits.giveBack()
            underWay.end()
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

    private func work(_ request: Request, _ replySubject: String, _ call: Call) async {
        do throws(StorageError) {
            let reply = try await endpoint.answer(request)
            guard call.isFirst() else { return }
            statistics.count(.now - call.start, error: reply.headers.first(WireHeader.error))
            await send(reply, to: replySubject)
        } catch {
            if call.isFirst() { await fail(error, request, replySubject, call.start) }
        }
    }

    private func fail(
        _ error: StorageError, _ request: Request, _ replySubject: String, _ start: ContinuousClock.Instant
    ) async {
        logger.debug("\(port.rawValue): \(error)")
        let key = request.headers.first(WireHeader.key)
        if error.errorClass != .notFound { events.failed(error, port.rawValue, key: key, request) }
        statistics.count(.now - start, error: error.description)
        await send(Reply(error), to: replySubject)
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
