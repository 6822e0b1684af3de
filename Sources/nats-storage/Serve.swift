import ArgumentParser
import Foundation
import JetStreamStorage
import Logging
import NATS
import ServiceLifecycle
import Storage
import StorageConfiguration
import StorageService
import UnixSignals

struct Serve: AsyncParsableCommand {
    enum StoreType: String, ExpressibleByArgument, CaseIterable {
        case memory, jetstream
    }

    static let configuration = CommandConfiguration(
        abstract: "Runs the component until SIGTERM or Ctrl-C.",
        discussion: "With --config the file says everything; the other options replace what they name.")

    @Option(help: "A configuration file (YAML).") var config: String?
    @Option(help: "The NATS server's URL; otherwise the file's, NATS_URL, or nats://127.0.0.1:4222.")
    var server: String?
    @Option(help: "The instance's name, without a configuration file.") var instance = "objectstore"
    @Option(help: "Where objects lie, without a configuration file: memory or jetstream.")
    var store = StoreType.jetstream
    @Option(help: "The object store's bucket, for jetstream.") var bucket = "OBJECTS"

    func run() async throws {
        let configuration = try loaded()
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "nats-storage")
        logger.logLevel = configuration.logLevel
        let control = try await connect(configuration.nats, logger)
        let bulk = try await connect(configuration.nats, logger)
        var services: [any Service] = []
        var stores: [any Store] = []
        for (instance, store) in configuration.instances {
            let opened = try await store.open(control: control, bulk: bulk, logger: logger)
            stores.append(opened)
            services.append(
                StorageInstance(configuration: instance, store: opened, connection: control, logger: logger) {
                    print("serving instance \(instance.name) on storage.\(instance.name).*")
                    fflush(nil)
                })
        }
        let group = ServiceGroup(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        try await group.run()
        for store in stores { await store.shutdown() }
        await control.drain()
        await bulk.close()
    }

    private func loaded() throws -> Configuration {
        if let config { return try Configuration(file: config, server: server) }
        let store: StoreConfiguration =
            self.store == .memory ? .memory(.init()) : .jetStream(BucketConfiguration(name: bucket))
        var configuration = Configuration(instance: try InstanceConfiguration(name: instance), store: store)
        if let url = ProcessInfo.processInfo.environment["NATS_URL"] { configuration.nats.urls = [url] }
        if let server { configuration.nats.urls = [server] }
        return configuration
    }

    private func connect(_ options: NATSOptions, _ logger: Logger) async throws -> NATSConnection {
        var options = options
        options.name = "nats-storage"
        options.logger = logger
        return try await NATSConnection.connect(options)
    }
}
