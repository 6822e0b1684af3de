import Logging
public import NATS
import PrometheusMetrics
public import ServiceLifecycle
public import Storage
public import StorageService
import Synchronization

/// What the HTTP port shows.
public struct OperationsOptions: Sendable {
    /// Where it listens.
    public var address: ListenAddress
    /// Whether the page tells keys: those of events, and of the stores, to be browsed; nil: on loopback alone.
    public var browse: Bool?
    /// How many connections there may be at once.
    public var maxConnections = 64

    /// At an address, with keys where only this machine sees them.
    public init(address: ListenAddress) {
        self.address = address
    }
}

/// The HTTP port: `/healthz`, `/readyz`, `/metrics`, and a page for people at `/`.
public final class Operations: Service {
    /// An instance to be watched.
    public struct Instance: Sendable {
        /// What is seen of it.
        public let monitor: InstanceMonitor
        /// What it serves.
        public let store: any Store
        let storeType: String

        /// - Parameters:
        ///   - store: what it serves.
        ///   - storeType: what people call that.
        public init(monitor: InstanceMonitor, store: any Store, storeType: String) {
            self.monitor = monitor
            self.store = store
            self.storeType = storeType
        }
    }

    struct Watched: Sendable {
        let instance: Instance
        let probe: StoreProbe
    }

    /// A connection to NATS by its name.
    public typealias Connection = (name: String, connection: NATSConnection)

    private struct Watching: Sendable {
        var instances: [Watched] = []
        var connections: [Connection] = []
    }

    /// The instances' names.
    let names: [String]
    let feed: EventFeed
    let log: LogControl
    let metrics: OperationsMetrics
    let address: ListenAddress
    private let isBrowsing: Atomic<Bool>
    private let logger: Logger
    private let bound = Mutex<WebServer?>(nil)
    private let watching = Mutex(Watching())

    /// The port, open from now on: nothing is ready until ``watch(_:connections:)`` says what there is.
    ///
    /// - Parameters:
    ///   - instances: the names of all instances.
    ///   - feed: the events of all instances.
    ///   - metrics: what `/metrics` tells beside what it finds out itself.
    public init(
        _ options: OperationsOptions, instances names: [String], feed: EventFeed, metrics: OperationsMetrics,
        log: LogControl
    ) throws(StorageError) {
        self.names = names
        self.feed = feed
        self.log = log
        self.metrics = metrics
        address = options.address
        isBrowsing = Atomic(options.browse ?? options.address.isLoopback)
        logger = log.logger(.http)
        var limits = WebServer.Limits()
        limits.maxConnections = options.maxConnections
        let server = try WebServer(
            options.address, limits: limits, logger: logger,
            observe: { [metrics] path, status in metrics.count(path, status) },
            handler: { [weak self] request in await self?.answer(request) ?? .failure(503) })
        bound.withLock { $0 = server }
    }

    /// Tells of these instances and connections.
    public func watch(_ instances: [Instance], connections: [Connection]) {
        let watched = instances.map { Watched(instance: $0, probe: StoreProbe($0.store)) }
        watching.withLock { $0 = Watching(instances: watched, connections: connections) }
    }

    /// None before the instances start.
    var instances: [Watched] { watching.withLock { $0.instances } }
    var connections: [Connection] { watching.withLock { $0.connections } }

    /// Where it listens: the port that was found where any was asked for.
    public var listening: ListenAddress {
        let port = bound.withLock { $0?.port } ?? address.port
        return ListenAddress(host: address.host, port: port) ?? address
    }

    var browses: Bool { isBrowsing.load(ordering: .relaxed) }

    /// Changes ``OperationsOptions/browse`` while it runs.
    public func setBrowsing(_ browse: Bool?) {
        isBrowsing.store(browse ?? address.isLoopback, ordering: .relaxed)
    }

    var figures: WebServer.Figures { bound.withLock { $0 }?.figures ?? WebServer.Figures() }

    /// Serves until graceful shutdown.
    public func run() async throws {
        guard let server = bound.withLock({ $0 }) else { return }
        logger.info("listening on http://\(listening)")
        await cancelWhenGracefulShutdown { await server.run() }
    }

    func answer(_ request: WebRequest) async -> WebResponse {
        if request.path == "/healthz" { return .text("ok\n") }
        // A name that leads here may be somebody else's, for a page of his to read what is told here in this browser.
        if address.isLoopback, let host = request.host, host != "localhost", !ListenAddress.isAddress(host) {
            return .text("ask by an IP address, or as localhost\n", status: 421)
        }
        switch request.path {
        case "/readyz":
            let readiness = await readiness()
            return .json(readiness.json, status: readiness.isReady ? 200 : 503)
        case "/metrics":
            return WebResponse(200, Exposition.contentType, .bytes(Array((await exposition()).text.utf8)))
        default: return await page(request)
        }
    }
}
