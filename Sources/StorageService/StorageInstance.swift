public import Logging
public import NATS
public import ServiceLifecycle
public import Storage
import StorageWire

/// One configured component: its ports on NATS, one store behind them.
public struct StorageInstance: Service {
    private let configuration: InstanceConfiguration
    private let store: any Store
    private let keepers: [StoreKeeper]
    private let connection: NATSConnection
    private let monitor: InstanceMonitor
    private let logger: Logger
    private let onReady: @Sendable () -> Void

    /// An instance that serves `store` on `connection`.
    ///
    /// - Parameters:
    ///   - monitor: what is seen of it, and can be changed, while it serves; its limits are those that count.
    ///   - onReady: called when every port listens.
    public init(
        configuration: InstanceConfiguration, store: any Store,
        connection: NATSConnection, monitor: InstanceMonitor? = nil, logger: Logger,
        onReady: @escaping @Sendable () -> Void = {}
    ) {
        self.configuration = configuration
        self.store = store
        keepers = store.keepers
        self.connection = connection
        self.monitor = monitor ?? InstanceMonitor(configuration)
        self.logger = logger
        self.onReady = onReady
    }

    /// Serves until graceful shutdown: then takes no more, finishes what is under way, and returns.
    ///
    /// - Throws: `NATSError` where a port's subject is forbidden or the connection is closed for good.
    public func run() async throws {
        defer { monitor.phase = .stopped }
        let events = EventPublisher(configuration, monitor.feed, logger)
        let connection = connection
        let context = InstanceContext(
            configuration: configuration, store: store, monitor: monitor, events: events, locks: KeyLocks(),
            maxReply: { connection.maxPayload })
        async let publishing: Void = events.run(connection)
        do {
            try await serve(context)
        } catch {
            events.finish()
            throw error
        }
        events.finish()
        await publishing
        try? await connection.flush(timeout: .seconds(2))
    }

    private func serve(_ context: InstanceContext) async throws {
        let partSubject = "\(configuration.subject(.upload)).\(NUID.next())"
        // Room for the headers of a part.
        let maxPartSize = max(1024, min(1 << 20, connection.maxPayload - 4096))
        let uploads = Uploads(context: context, partSubject: partSubject, maxPartSize: maxPartSize)
        let servers = servers(context, uploads)
        let discovery = Discovery(
            configuration: configuration, statistics: monitor.statistics, capabilities: store.capabilities)
        var ports: [(NATSSubscription, PortServer)] = []
        for server in servers { ports.append((try await subscribe(server), server)) }
        let parts = partServer(context, uploads)
        ports.append((try await subscribe(partSubject + ".*", parts), parts))
        let writes = try await connection.subscribe(
            configuration.subject(.write), queue: configuration.queueGroup, capacity: 8192)
        var questions: [NATSSubscription] = []
        for subject in discovery.subjects { questions.append(try await connection.subscribe(subject)) }
        let input = try await streamInput(context)
        monitor.phase = .serving
        onReady()
        let subscriptions = ports.map(\.0) + [writes] + questions
        let listening = ports
        let asked = questions
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (subscription, server) in listening { group.addTask { try await server.run(subscription) } }
                group.addTask { try await WritePort(context: context, logger: logger).run(writes) }
                for subscription in asked { group.addTask { try await answer(discovery, subscription) } }
                if let input { group.addTask { await input.run() } }
                group.addTask { await sweep(uploads) }
                for keeper in keepers {
                    group.addTask { await Housekeeper(keep: keeper, context: context, logger: logger).run() }
                }
                try await group.waitForAll()
            }
        } onGracefulShutdown: {
            monitor.phase = .draining
            Task { for subscription in subscriptions { await subscription.drain() } }
        }
        await uploads.close()
    }

    private func streamInput(_ context: InstanceContext) async throws -> StreamWriter? {
        guard let input = configuration.stream else { return nil }
        let consumer = try await JetStream(connection).pullConsumer(
            input.stream, durable: input.durable, filter: input.subject, ackWait: StreamWriter.ackWait)
        return StreamWriter(
            port: WritePort(context: context, logger: logger), consumer: consumer, stream: input.stream)
    }

    private func servers(_ context: InstanceContext, _ uploads: Uploads) -> [PortServer] {
        let permits = Permits { [monitor] in monitor.limits.maxInFlight }
        return Port.requests.map { port in
            let endpoint: any Endpoint =
                switch port {
                case .get: GetEndpoint(context: context)
                case .info: InfoEndpoint(context: context)
                case .list: ListEndpoint(context: context)
                case .delete: DeleteEndpoint(context: context)
                case .upload: UploadEndpoint(uploads: uploads)
                case .api: APIEndpoint(context: context)
                default: PutEndpoint(context: context)
                }
            return server(port, endpoint, context, permits)
        }
    }

    private func partServer(_ context: InstanceContext, _ uploads: Uploads) -> PortServer {
        // Parts have their own bound: the window of each of a bounded number of uploads.
        let permits = Permits { [monitor] in monitor.limits.maxUploads * (Upload.window + 2) }
        return server(.upload, PartEndpoint(uploads: uploads), context, permits)
    }

    private func server(
        _ port: Port, _ endpoint: any Endpoint, _ context: InstanceContext, _ permits: Permits
    ) -> PortServer {
        PortServer(
            port: port, endpoint: endpoint, connection: connection, events: context.events, permits: permits,
            monitor: monitor, statistics: monitor.statistics[port] ?? PortStatistics(configuration.name, port),
            logger: logger)
    }

    private func subscribe(_ server: PortServer) async throws -> NATSSubscription {
        try await subscribe(configuration.subject(server.port), queue: configuration.queueGroup, server)
    }

    private func subscribe(
        _ subject: String, queue: String? = nil, _ server: PortServer
    ) async throws -> NATSSubscription {
        try await connection.subscribe(subject, queue: queue, capacity: 4096) { message in
            guard let reply = message.reply else { return }
            Task { await server.refuse(reply) }
        }
    }

    private func answer(_ discovery: Discovery, _ subscription: NATSSubscription) async throws {
        for try await message in subscription {
            guard let reply = message.reply else { continue }
            try? await connection.publish(reply, payload: discovery.answer(message.subject))
        }
    }

    /// Ends silent uploads, until shutdown.
    private func sweep(_ uploads: Uploads) async {
        try? await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try await Task.sleep(for: .seconds(1))
                await uploads.sweep()
            }
        }
    }
}
