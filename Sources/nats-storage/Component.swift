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
    private struct Instance {
        let service: StorageInstance
        let operations: Operations.Instance
    }

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

    /// Serves until SIGTERM or SIGINT: takes no more then, finishes what is under way, and returns.
    func run() async throws {
        let patience = Patience(for: configuration.startTimeout, logger: log.logger(.program))
        let control = try await patience.run(connect)
        let bulk = try await patience.run(connect)
        let feed = EventFeed()
        var instances: [Instance] = []
        for (instance, store) in configuration.instances {
            let opened = try await patience.run {
                try await store.open(control: control, bulk: bulk, logger: log.logger(.store))
            }
            instances.append(serve(instance, store, opened, control, feed))
        }
        let operations = try operations(instances, [("control", control), ("bulk", bulk)], feed)
        let reloading = Reloading(
            configuration: configuration, hangups: hangups, read: reload, log: log, metrics: metrics,
            operations: operations, monitors: instances.map(\.operations.monitor))
        // The last to start is the first to end: health is told until all else has ended.
        let services = [operations].compactMap { $0 as (any Service)? } + [reloading] + instances.map(\.service)
        let group = ServiceGroup(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: log.logger(.program))
        try await group.run()
        for instance in instances { await instance.operations.store.shutdown() }
        await control.drain()
        await bulk.close()
    }

    private func serve(
        _ instance: InstanceConfiguration, _ store: StoreConfiguration, _ opened: any Store, _ control: NATSConnection,
        _ feed: EventFeed
    ) -> Instance {
        let monitor = InstanceMonitor(instance, feed: feed)
        var logger = log.logger(.instance)
        logger[metadataKey: "instance"] = "\(instance.name)"
        let service = StorageInstance(
            configuration: instance, store: opened, connection: control, monitor: monitor, logger: logger
        ) {
            print("serving instance \(instance.name) on storage.\(instance.name).*")
            fflush(nil)
        }
        return Instance(
            service: service, operations: .init(monitor: monitor, store: opened, storeType: store.typeName))
    }

    private func operations(
        _ instances: [Instance], _ connections: [Operations.Connection], _ feed: EventFeed
    ) throws -> Operations? {
        guard let options = configuration.http else { return nil }
        return try Operations(
            options, instances: instances.map(\.operations), connections: connections, feed: feed, metrics: metrics,
            log: log)
    }

    private func connect() async throws -> NATSConnection {
        var options = configuration.nats
        options.name = "nats-storage"
        options.logger = log.logger(.nats)
        return try await NATSConnection.connect(options)
    }
}
