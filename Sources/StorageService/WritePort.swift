import Logging
import NATS
import Storage
import StorageWire

/// Stores what is published, under a generated key, and passes a reference on.
struct WritePort: Sendable {
    /// How many messages are stored at once.
    private static let width = 64

    let context: InstanceContext
    let logger: Logger

    func run(_ subscription: NATSSubscription) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            for try await message in subscription {
                if running == Self.width {
                    try await group.next()
                    running -= 1
                }
                running += 1
                group.addTask {
                    await store(Request(message))
                }
            }
            try await group.waitForAll()
        }
    }

    private func store(_ request: Request) async {
        do throws(StorageError) {
            try await put(request, id: request.headers.first(WireHeader.messageID))
        } catch {
            report(error, request)
        }
    }

    func put(_ request: Request, id: String?) async throws(StorageError) {
        try request.validate()
        var options = PutOptions(attributes: try ObjectHeaders.attributes(in: request.headers))
        options.attributes.metadata = context.configuration.metadataExtractor.metadata(of: request.message)
        options.messageID = id
        let key = try context.generatedKey(request)
        let info = try await context.put(key, ObjectBody(request.payload), options, request)
        context.events.reference(info)
    }

    func report(_ error: StorageError, _ request: Request) {
        logger.error("write: \(error)", metadata: request.logMetadata)
        context.events.failed(error, Port.write.rawValue, key: nil, request)
    }
}
