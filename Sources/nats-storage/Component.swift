import Foundation
import Logging
import NATS
import ServiceLifecycle
import Storage
import StorageConfiguration
import StorageOperations
import StorageService
import UnixSignals

/// All that one process serves: connections, stores, instances, and the HTTP port.
struct Component {
    let configuration: Configuration
    let log: LogControl
    let metrics: OperationsMetrics
    /// The SIGHUPs since the start.
    let hangups: UnixSignalsSequence
    /// Reads the configuration again; nil where there is no file.
    let reload: (@Sendable () throws -> Configuration)?

    init(
        _ configuration: Configuration, log: LogControl, metrics: OperationsMetrics, hangups: UnixSignalsSequence,
        reload: (@Sendable () throws -> Configuration)?
    ) {
        self.configuration = configuration
        self.log = log
        self.metrics = metrics
        self.hangups = hangups
        self.reload = reload
    }

    /// Serves until SIGTERM or SIGINT: takes no more then, finishes what is under way, and returns. One that comes before
    /// it serves ends the start.
    func run() async throws {
        let feed = EventFeed()
        let monitors = configuration.instances.map { InstanceMonitor($0.configuration, feed: feed) }
        let operations = try configuration.http.map { options in
            try Operations(
                options, instances: monitors.map(\.instance), feed: feed, metrics: metrics, log: log)
        }
        let reloading = Reloading(
            configuration: configuration, hangups: hangups, read: reload, log: log, metrics: metrics,
            operations: operations, monitors: monitors)
        let serving = Serving(configuration: configuration, log: log, monitors: monitors, operations: operations)
        // The last to start is the first to end: health is told until all else has ended.
        let services = [operations].compactMap { $0 as (any Service)? } + [reloading, serving]
        let group = ServiceGroup(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: log.logger(.program))
        try await group.run()
    }
}

/// Opens connections and stores, and serves the instances on them.
private struct Serving: Service, CustomStringConvertible {
    private struct Opened: Sendable {
        let control: NATSConnection
        let bulk: NATSConnection
        /// In the order of the configuration.
        let stores: [any Store]
    }

    let configuration: Configuration
    let log: LogControl
    let monitors: [InstanceMonitor]
    let operations: Operations?

    /// What a service group logs: nothing of the configuration, which holds secrets.
    var description: String { "Serving" }

    func run() async throws {
        let opened: Opened
        do {
            opened = try await cancelWhenGracefulShutdown { try await open() }
        } catch {
            // It was asked to end, and nothing was served yet.
            if Task.isShuttingDownGracefully { return }
            throw error
        }
        watch(opened)
        try await serve(opened)
        for store in opened.stores { await store.shutdown() }
        await opened.control.drain()
        await opened.bulk.close()
    }

    private func open() async throws -> Opened {
        let patience = Patience(for: configuration.startTimeout, logger: log.logger(.program))
        let control = try await patience.run { try await connect() }
        let bulk = try await patience.run { try await connect(isBulk: true) }
        var stores: [any Store] = []
        for (_, store) in configuration.instances {
            stores.append(
                try await patience.run {
                    try await store.open(control: control, bulk: bulk, logger: log.logger(.store))
                })
        }
        return Opened(control: control, bulk: bulk, stores: stores)
    }

    private func connect(isBulk: Bool = false) async throws -> NATSConnection {
        var options = configuration.nats
        options.isBulk = isBulk
        options.name = "nats-storage"
        options.logger = log.logger(.nats)
        return try await NATSConnection.connect(options)
    }

    private func watch(_ opened: Opened) {
        let instances = configuration.instances.indices.map { index in
            Operations.Instance(
                monitor: monitors[index], store: opened.stores[index],
                storeType: configuration.instances[index].store.typeName)
        }
        operations?.watch(instances, connections: [("control", opened.control), ("bulk", opened.bulk)])
    }

    /// All of them end at once, each in its own time; where one ends by itself the others do too.
    private func serve(_ opened: Opened) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in configuration.instances.indices {
                let service = service(index, opened)
                group.addTask { try await service.run() }
            }
            try await group.next()
            if !Task.isShuttingDownGracefully { group.cancelAll() }
            try await group.waitForAll()
        }
    }

    private func service(_ index: Int, _ opened: Opened) -> StorageInstance {
        let instance = configuration.instances[index].configuration
        var logger = log.logger(.instance)
        logger[metadataKey: "instance"] = "\(instance.name)"
        return StorageInstance(
            configuration: instance, store: opened.stores[index], connection: opened.control,
            monitor: monitors[index], logger: logger
        ) {
            announce("serving instance \(instance.name) on storage.\(instance.name).*")
        }
    }

    /// On standard output, for people and scripts; a log of JSON takes it among its records.
    private func announce(_ line: String) {
        if log.settings.format == .json {
            log.logger(.program).notice("\(line)")
        } else {
            print(line)
            fflush(nil)
        }
    }
}
