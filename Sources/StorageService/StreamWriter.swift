import Logging
import NATS
import ServiceLifecycle
import Storage
import StorageWire

/// Stores the messages of a stream: each is acknowledged only after the object is stored and its reference is on its
/// way; one that can never be stored is terminated, with a `failed` event.
struct StreamWriter: Sendable {
    /// Longer than a put may take: a message under way does not come again.
    static let ackWait: Duration = .seconds(60)
    private static let batch = 64

    let port: WritePort
    let consumer: PullConsumer
    let stream: String

    /// Pulls until shutdown, and finishes what was pulled.
    func run() async {
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            do throws(NATSError) {
                let messages = try await consumer.fetch(batch: Self.batch, wait: .seconds(1))
                await withTaskGroup(of: Void.self) { group in
                    for message in messages { group.addTask { await store(message) } }
                }
            } catch {
                port.logger.warning("write: \(error)")
                try? await Task.sleep(for: .seconds(1))
            }
        }
        await consumer.stop()
    }

    private func store(_ delivered: DeliveredMessage) async {
        let message = delivered.message
        let request = Request(subject: message.subject, headers: message.headers, payload: message.payload)
        // A redelivery has the same sequence: without an id of its own a message still stores once.
        let id = message.headers.first(WireHeader.messageID) ?? "\(stream).\(message.sequence)"
        do throws(StorageError) {
            try await port.put(request, id: id)
            await answer { () async throws(NATSError) in try await delivered.acknowledge() }
        } catch {
            port.report(error, request)
            if error.errorClass == .transient {
                await answer { () async throws(NATSError) in try await delivered.retry(after: .seconds(1)) }
            } else {
                await answer { () async throws(NATSError) in try await delivered.terminate() }
            }
        }
    }

    private func answer(_ body: () async throws(NATSError) -> Void) async {
        do throws(NATSError) {
            try await body()
        } catch {
            port.logger.warning("write: a message's outcome could not be told, it comes again: \(error)")
        }
    }
}
