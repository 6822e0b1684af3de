import ArgumentParser
import Foundation
import Logging
import NATS
import Storage
import StorageClient
import StorageConfiguration
import StorageService

/// A store as a person names it: one of a configuration file, or a running component.
struct StoreLocation: ExpressibleByArgument {
    private enum Place {
        case configured(file: String, instance: String?)
        case component(url: String, instance: String)
    }

    static let help = """
        A store is FILE.yaml or FILE.yaml#INSTANCE, for the store of a configuration file's instance, opened without \
        serving it; or nats://HOST:PORT or nats://HOST:PORT/INSTANCE, for a running component (instance objectstore \
        unless named).
        """

    private let place: Place
    /// As it was named, without a password that it may hold.
    let description: String

    init?(argument: String) {
        description = argument.contains("://") ? ServerURL.withoutCredentials(argument) : argument
        if ["nats://", "tls://"].contains(where: argument.hasPrefix) {
            guard var url = URLComponents(string: argument), url.host != nil else { return nil }
            let instance = String(url.path.drop { $0 == "/" })
            url.path = ""
            guard let server = url.string else { return nil }
            place = .component(url: server, instance: instance.isEmpty ? "objectstore" : instance)
            return
        }
        let parts = argument.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        guard let file = parts.first, !file.isEmpty, parts.last?.isEmpty == false else { return nil }
        place = .configured(file: String(file), instance: parts.count == 2 ? String(parts[1]) : nil)
    }

    /// Runs a command on the store, and closes it.
    func withStore<Value>(
        _ identity: ConnectionOptions, _ body: (any Store) async throws -> Value
    ) async throws -> Value {
        switch place {
        case .component(let url, let instance):
            var options = NATSOptions()
            options.urls = [url]
            identity.apply(to: &options)
            return try await connected(options) { connection in
                try await body(try await RemoteStore.discover(connection, instance: instance))
            }
        case .configured(let file, let instance):
            var configuration = try Configuration(file: file, server: nil)
            identity.apply(to: &configuration.nats)
            return try await configured(configuration, try configuration.store(of: instance), body)
        }
    }

    private func configured<Value>(
        _ configuration: Configuration, _ store: StoreConfiguration, _ body: (any Store) async throws -> Value
    ) async throws -> Value {
        var logger = Logger(label: "nats-storage") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .error
        return try await connected(configuration.nats) { control in
            try await connected(configuration.nats) { bulk in
                let store = try await store.open(control: control, bulk: bulk, logger: logger)
                do {
                    let value = try await body(store)
                    await store.shutdown()
                    return value
                } catch {
                    await store.shutdown()
                    throw error
                }
            }
        }
    }

    private func connected<Value>(
        _ options: NATSOptions, _ body: (NATSConnection) async throws -> Value
    ) async throws -> Value {
        var options = options
        options.name = "nats-storage"
        let connection = try await NATSConnection.connect(options)
        do {
            let value = try await body(connection)
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }
}

extension Configuration {
    /// The store of the instance of this name; the only one needs no name.
    func store(of instance: String?) throws -> StoreConfiguration {
        let named = instances.filter { instance == nil || $0.configuration.name == instance }
        guard named.count == 1, let chosen = named.first else {
            let names = instances.map(\.configuration.name).joined(separator: ", ")
            throw StorageError(.invalid, "name one instance of the file, as in FILE.yaml#NAME: \(names)")
        }
        return chosen.store
    }
}
