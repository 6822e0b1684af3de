import JetStreamStorage
import Logging
import NATS
import ServiceLifecycle
import Storage
import StorageClient
import StorageService
import TestSupport
import Testing

/// A server, two connections to it, and a bucket.
private struct Bucket: Sendable {
    let server: NATSServer
    let control: NATSConnection
    let bulk: NATSConnection

    init(on server: NATSServer) async throws {
        self.server = server
        control = try await Self.connect(to: server)
        bulk = try await Self.connect(to: server)
    }

    static func connect(to server: NATSServer) async throws -> NATSConnection {
        var options = NATSOptions()
        options.urls = [server.url]
        return try await NATSConnection.connect(options)
    }

    func store(isAtomic: Bool = false) async throws -> JetStreamStore {
        var configuration = BucketConfiguration(name: "B")
        configuration.isAtomic = isAtomic
        configuration.timeout = .seconds(30)
        return try await JetStreamStore.open(
            configuration, control: control, bulk: bulk, logger: Logger(label: "test"))
    }

    func close() async {
        await control.close()
        await bulk.close()
    }
}

extension Trait where Self == SubjectTrait {
    /// A bucket on a server.
    static func jetStream(_ flavor: ServerFlavor, isAtomic: Bool = false) -> Self {
        SubjectTrait { run in
            let bucket = try await Bucket(on: NATSServer(flavor))
            try await run(
                Subject(store: bucket.store(isAtomic: isAtomic)) { try await bucket.store(isAtomic: isAtomic) })
            await bucket.close()
        }
    }

    /// A live component over what `make` opens on its server, through its ports.
    static func remote(
        _ flavor: ServerFlavor, over make: @escaping @Sendable (NATSServer) async throws -> any Store
    ) -> Self {
        SubjectTrait { run in
            let server = try await NATSServer(flavor)
            try await serve(try await make(server), on: server, run)
        }
    }

    /// A live component over a bucket on its server, through its ports.
    static func remote(_ flavor: ServerFlavor) -> Self {
        remote(flavor) { server in try await Bucket(on: server).store() }
    }
}

/// Runs a component over `store` while `run` speaks to it.
private func serve(_ store: any Store, on server: NATSServer, _ run: SubjectTrait.Run) async throws {
    let (client, connection) = (try await Bucket.connect(to: server), try await Bucket.connect(to: server))
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let (ready, feed) = AsyncStream.makeStream(of: Void.self)
    let service = StorageInstance(
        configuration: try InstanceConfiguration(name: "t"), store: store, connection: connection, logger: logger,
        onReady: { feed.yield() })
    let group = ServiceGroup(configuration: .init(services: [.init(service: service)], logger: logger))
    let running = Task { try await group.run() }
    for await _ in ready { break }
    let remote = try await RemoteStore.discover(client, instance: "t")
    try await run(Subject(store: remote) { try await RemoteStore.discover(client, instance: "t") })
    await group.triggerGracefulShutdown()
    try await running.value
    await client.close()
    await connection.close()
}
