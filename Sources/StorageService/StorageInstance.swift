public import Logging
public import Metrics
public import NATS
public import ServiceLifecycle
public import Storage
import StorageWire
import Waiting

/// One configured component: its ports on NATS, one store behind them.
public struct StorageInstance: Service, CustomStringConvertible {
    private let configuration: InstanceConfiguration
    private let store: any Store
    private let maintainers: [StoreMaintainer]
    private let connection: NATSConnection
    private let monitor: InstanceMonitor
    private let logger: Logger
    private let metrics: any MetricsFactory
    private let onReady: @Sendable () -> Void

    /// An instance that serves `store` on `connection`.
    ///
    /// - Parameters:
    ///   - monitor: what is seen of it, and can be changed, while it serves; its limits are those that count.
    ///   - metrics: the metrics system.
    ///   - onReady: called when every port listens.
    public init(
        configuration: InstanceConfiguration, store: any Store,
        connection: NATSConnection, monitor: InstanceMonitor? = nil, logger: Logger,
        metrics: any MetricsFactory = MetricsSystem.factory, onReady: @escaping @Sendable () -> Void = {}
    ) {
        self.configuration = configuration
        self.store = store
        maintainers = store.maintainers
        self.connection = connection
        self.monitor = monitor ?? InstanceMonitor(configuration)
        self.logger = logger
        self.metrics = metrics
        self.onReady = onReady
    }

    /// Its kind and name, and no more: a service group logs it.
    public var description: String { "StorageInstance(\(configuration.name))" }

    /// Serves until graceful shutdown: then takes no more, finishes what is under way, and returns. Uploads that are open
    /// then go on for ``InstanceConfiguration/uploadGrace``.
    ///
    /// - Throws: `NATSError` where a port's subject is forbidden, a stream is missing or the connection is closed for
    ///   good, `StorageError` where the store can't do what an input asks of it.
    public func run() async throws {
        defer { monitor.phase = .stopped }
        try await withTaskExecutorPreference(DeliveryExecutor.shared) { try await serve() }
    }

    private func serve() async throws {
        let events = EventPublisher(configuration, monitor.feed, logger, metrics)
        try await events.check(connection)
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

    /// What an instance hears by.
    private struct Listening: Sendable {
        let ports: [(subscription: NATSSubscription, server: PortServer)]
        let parts: (subscription: NATSSubscription, server: PortServer)
        let questions: [NATSSubscription]
        let inputs: [OpenInput]
    }

    private func serve(_ context: InstanceContext) async throws {
        let partSubject = "\(configuration.subject(.upload)).\(NUID.next())"
        // Room for the headers of a part.
        let maxPartSize = max(1024, min(1 << 20, connection.maxPayload - 4096))
        let uploads = Uploads(
            context: context, partSubject: partSubject, maxPartSize: maxPartSize, logger: logger)
        let discovery = Discovery(configuration: configuration, monitor: monitor, capabilities: store.capabilities)
        let listening = try await listen(context, uploads, partSubject, discovery)
        monitor.phase = .serving
        onReady()
        try await withGracefulShutdownHandler {
            try await work(listening, context, uploads, discovery)
        } onGracefulShutdown: {
            monitor.phase = .draining
            context.events.hurry()
            uploads.hurry()
            let ended =
                listening.ports.map(\.subscription) + listening.questions
                + listening.inputs.compactMap(\.subscription)
            for subscription in ended { Task { await subscription.drain() } }
        }
        await uploads.close()
    }

    private func listen(
        _ context: InstanceContext, _ uploads: Uploads, _ partSubject: String, _ discovery: Discovery
    ) async throws -> Listening {
        let servers = servers(context, uploads)
        let partServer = partServer(context, uploads)
        let parts = try await partServer.listen(partSubject + ".*")
        var ports: [(NATSSubscription, PortServer)] = []
        for server in servers {
            let subject = configuration.subject(server.port)
            ports.append((try await server.listen(subject, queue: configuration.queueGroup), server))
        }
        var questions: [NATSSubscription] = []
        for subject in discovery.subjects { questions.append(try await connection.subscribe(subject)) }
        return Listening(
            ports: ports, parts: (parts, partServer), questions: questions, inputs: try await openInputs(context))
    }

    /// Returns when everything that it listens on has ended, and what came by that is done.
    private func work(
        _ listening: Listening, _ context: InstanceContext, _ uploads: Uploads, _ discovery: Discovery
    ) async throws {
        let parts = listening.parts
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (subscription, server) in listening.ports {
                group.addTask {
                    try await server.run(subscription)
                    guard server.port == .upload else { return }
                    // None is opened any more; those that are open go on.
                    await uploads.settle()
                    await parts.subscription.drain()
                }
            }
            group.addTask { try await parts.server.run(parts.subscription) }
            for subscription in listening.questions { group.addTask { try await answer(discovery, subscription) } }
            for input in listening.inputs { group.addTask { try await input.run() } }
            group.addTask { await sweep(uploads) }
            for maintain in maintainers {
                group.addTask { await Maintenance(maintain: maintain, context: context, logger: logger).run() }
            }
            try await group.waitForAll()
        }
    }

    private func openInputs(_ context: InstanceContext) async throws -> [OpenInput] {
        var inputs: [OpenInput] = []
        for input in configuration.inputs {
            let counters = InputCounters(input, instance: configuration.name, metrics)
            let pipeline = try Pipeline(context: context, input: input, counters: counters, logger: logger).checked()
            inputs.append(try await OpenInput(pipeline, connection, queue: configuration.queueGroup))
        }
        return inputs
    }

    private func servers(_ context: InstanceContext, _ uploads: Uploads) -> [PortServer] {
        let capacity = RequestLimit { [monitor] in monitor.limits.maxInFlight }
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
            return server(port, endpoint, context, capacity)
        }
    }

    private func partServer(_ context: InstanceContext, _ uploads: Uploads) -> PortServer {
        // Parts have their own bound: the window of each of a bounded number of uploads.
        let capacity = RequestLimit { [monitor] in monitor.limits.maxUploads * (Upload.window + 2) }
        return server(.upload, PartEndpoint(uploads: uploads), context, capacity)
    }

    private func server(
        _ port: Port, _ endpoint: any Endpoint, _ context: InstanceContext, _ capacity: RequestLimit
    ) -> PortServer {
        PortServer(
            port: port, endpoint: endpoint, connection: connection, events: context.events, capacity: capacity,
            monitor: monitor, statistics: monitor.statistics[port] ?? PortStatistics(configuration.name, port),
            logger: logger)
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
                uploads.sweep()
            }
        }
    }
}
