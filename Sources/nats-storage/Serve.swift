import ArgumentParser
import FileStorage
import Foundation
import GCSStorage
import JetStreamStorage
import Logging
import Metrics
import NATS
import S3Storage
import SQLiteStorage
import ServiceLifecycle
import Storage
import StorageConfiguration
import StorageOperations
import StorageService
import UnixSignals

struct Serve: AsyncParsableCommand {
    enum StoreType: String, ExpressibleByArgument, CaseIterable {
        case memory, file, sqlite, jetstream, s3, gcs
    }

    static let configuration = CommandConfiguration(
        abstract: "Runs the component until SIGTERM or Ctrl-C.",
        discussion: """
            With --config the file says everything but what --server and --http replace; without it --instance, --store, \
            --bucket and --path say what is served. SIGHUP has the file read again: log, limits and http.browse take effect at \
            once.
            """)

    @Option(help: "A configuration file (YAML).") var config: String?
    @Option(
        help: "The NATS server's URL, or several with commas; otherwise the file's, NATS_URL, or nats://127.0.0.1:4222."
    )
    var server: String?
    @Option(help: "The instance's name; objectstore unless given. Not with --config.") var instance: String?
    @Option(
        help: """
            Where objects lie: memory, file, sqlite, jetstream, s3 or gcs, with what else the environment and their \
            defaults say; jetstream unless given. Not with --config.
            """)
    var store: StoreType?
    @Option(help: "The bucket, for jetstream (OBJECTS unless given), s3 and gcs. Not with --config.")
    var bucket: String?
    @Option(
        help: """
            The folder, for file (data/objects unless given), or the file, for sqlite (data/objects.sqlite). Not with \
            --config.
            """)
    var path: String?
    @Option(help: "Where health, metrics and a page listen, as 127.0.0.1:8300; otherwise the file's, or nowhere.")
    var http: String?

    func validate() throws {
        let replaced = [("--instance", instance), ("--store", store?.rawValue), ("--bucket", bucket), ("--path", path)]
        if config != nil, let (option, _) = replaced.first(where: { $0.1 != nil }) {
            throw ValidationError("\(option) and --config exclude one another: the file says what is served")
        }
        if let store, [.s3, .gcs].contains(store), bucket == nil {
            throw ValidationError("--store \(store.rawValue) needs --bucket")
        }
    }

    func run() async throws {
        // Before the file is read: what changes after that is not missed.
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        let configuration = try loaded()
        let log = LogControl(configuration.log)
        LoggingSystem.bootstrap { log.handler($0) }
        let metrics = OperationsMetrics()
        MetricsSystem.bootstrap(metrics.factory)
        do {
            let component = Component(
                configuration, log: log, metrics: metrics, hangups: hangups, reload: config.map { _ in loaded })
            try await component.run()
        } catch {
            // A log of JSON is JSON to its end.
            let isJSON = log.settings.format == .json
            if isJSON { log.logger(.program).critical("\(error)") }
            await log.flush()
            throw isJSON ? ExitCode.failure : error
        }
        await log.flush()
    }

    private func loaded() throws -> Configuration {
        var configuration = try file()
        if let http {
            guard let address = ListenAddress(http) else {
                throw ValidationError("“\(http)” is not an address and a port, as 127.0.0.1:8300 is")
            }
            if configuration.http == nil { configuration.http = OperationsOptions(address: address) }
            configuration.http?.address = address
        }
        return configuration
    }

    private func file() throws -> Configuration {
        if let config { return try Configuration(file: config, server: server) }
        let instance = try InstanceConfiguration(name: instance ?? "objectstore")
        var configuration = Configuration(instance: instance, store: storeConfiguration)
        configuration.nats.urls = NATSOptions.servers(server)
        return configuration
    }

    private var storeConfiguration: StoreConfiguration {
        switch store ?? .jetstream {
        case .memory: .memory(.init())
        case .file: .file(FileStoreConfiguration(path: path ?? "data/objects"))
        case .sqlite: .sqlite(SQLiteStoreConfiguration(path: path ?? "data/objects.sqlite"))
        case .jetstream: .jetStream(BucketConfiguration(name: bucket ?? "OBJECTS"))
        case .s3: .s3(S3Configuration(bucket: bucket ?? ""))
        case .gcs: .gcs(GCSConfiguration(bucket: bucket ?? ""))
        }
    }
}
