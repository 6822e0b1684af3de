import Foundation
import Logging
import Metrics
import NATS
import ServiceLifecycle
import Storage
import StorageService
import StorageWire
import Synchronization
import TestSupport
import Testing

/// A component over a memory store, on a server of its own, and a client beside it.
final class Component: Sendable {
    let server: NATSServer
    let client: NATSConnection
    let store: any Store
    private let connection: NATSConnection
    private let group: ServiceGroup
    private let running: Task<Void, any Error>

    convenience init(
        _ flavor: ServerFlavor = .newest, server configuration: String = "", store: any Store = MemoryStore(),
        _ adjust: (inout InstanceConfiguration) throws -> Void = { _ in }
    ) async throws {
        try await self.init(on: NATSServer(flavor, configuration: configuration), store: store, adjust)
    }

    init(
        on server: NATSServer, store: any Store = MemoryStore(),
        metrics: any MetricsFactory = NOOPMetricsHandler.instance,
        _ adjust: (inout InstanceConfiguration) throws -> Void = { _ in }
    ) async throws {
        self.server = server
        self.store = store
        var options = NATSOptions()
        options.urls = [server.url]
        client = try await NATSConnection.connect(options)
        connection = try await NATSConnection.connect(options)
        var instance = try InstanceConfiguration(name: "t")
        try adjust(&instance)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let (ready, feed) = AsyncStream.makeStream(of: Void.self)
        let service = StorageInstance(
            configuration: instance, store: store, connection: connection, logger: logger, metrics: metrics,
            onReady: { feed.yield() })
        let group = ServiceGroup(configuration: .init(services: [.init(service: service)], logger: logger))
        self.group = group
        running = Task {
            defer { feed.finish() }
            try await group.run()
        }
        var isReady = false
        for await _ in ready {
            isReady = true
            break
        }
        // It ended: why, it says itself.
        if !isReady { try await running.value }
    }

    /// Stops it as SIGTERM would, and waits.
    func stopServing() async throws {
        await group.triggerGracefulShutdown()
        try await running.value
    }

    /// Stops it, and closes the connections.
    func stop() async throws {
        try await stopServing()
        await client.close()
        await connection.close()
    }

    func anotherClient() async throws -> NATSConnection {
        var options = NATSOptions()
        options.urls = [server.url]
        return try await NATSConnection.connect(options)
    }

    func ask(
        _ port: String, _ payload: String = "", _ headers: NATSHeaders = [:]
    ) async throws -> (status: Int, headers: NATSHeaders, body: [UInt8]) {
        try await ask(subject: "storage.t." + port, Array(payload.utf8), headers)
    }

    func ask(
        subject: String, _ payload: [UInt8], _ headers: NATSHeaders
    ) async throws -> (status: Int, headers: NATSHeaders, body: [UInt8]) {
        let reply = try await client.request(subject, headers: headers, payload: payload, timeout: .seconds(60))
        let status = reply.headers.first("Nats-Service-Error-Code").flatMap { Int($0) } ?? 200
        return (status, reply.headers, reply.payload)
    }
}

/// The JSON object in a reply.
func json(_ bytes: [UInt8]) throws -> [String: Any] {
    try (JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]).orThrow("no JSON object")
}

extension NATSSubscription {
    /// The next message's JSON.
    func nextJSON() async throws -> [String: Any] {
        try json(try await next(timeout: .seconds(30)).orThrow("nothing came on \(subject)").payload)
    }
}
