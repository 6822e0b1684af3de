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
        try await withThrowingDiscardingTaskGroup { group in
            for try await message in subscription {
                guard let replySubject = message.reply else {
                    logger.debug("request on \(message.subject) without a reply subject: ignored")
                    continue
                }
                guard permits.take() else {
                    await send(Self.overCapacity, to: replySubject)
                    continue
                }
                group.addTask {
                    await serve(message, replySubject)
                    permits.giveBack()
                }
            }
        }
    }

    private func serve(_ message: NATSMessage, _ replySubject: String) async {
        let request = Request(message)
        let answered = Mutex(false)
        let isFirst: @Sendable () -> Bool = {
            answered.withLock { answered in
                defer { answered = true }
                return !answered
            }
        }
        let start = ContinuousClock.now
        do throws(StorageError) {
            try request.validate()
            let limit = min(try RequestCodec.timeout(in: request.headers) ?? timeout, timeout)
            try await work(request, replySubject, limit, isFirst, start)
        } catch {
            if isFirst() { await fail(error, request, replySubject, start) }
        }
    }

    /// Does the work in a task of its own, so that the deadline can answer while the work still cleans up.
    private func work(
        _ request: Request, _ replySubject: String, _ limit: Duration, _ isFirst: @escaping @Sendable () -> Bool,
        _ start: ContinuousClock.Instant
    ) async throws(StorageError) {
        let task = Task { () -> Result<Reply, StorageError> in
            do throws(StorageError) {
                return .success(try await endpoint.answer(request))
            } catch {
                return .failure(error)
            }
        }
        let timer = Timeouts.shared.schedule(after: limit) {
            guard isFirst() else { return }
            task.cancel()
            Task {
                let error = StorageError(.timeout, "the request took longer than \(limit); it was cancelled")
                await fail(error, request, replySubject, start)
            }
        }
        defer { Timeouts.shared.cancel(timer) }
        let result = await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
        let reply = try result.get()
        guard isFirst() else { return }
        statistics.count(.now - start, error: reply.headers.first(WireHeader.error))
        await send(reply, to: replySubject)
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
