import ArgumentParser
import Foundation
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
            return try await withConnection(options) { connection in
                try await body(try await RemoteStore.discover(connection, instance: instance))
            }
        case .configured(let file, let instance):
            var configuration = try Configuration(file: file, server: nil)
            identity.apply(to: &configuration.nats)
            let store = try configuration.store(of: instance, namedBy: "as in FILE.yaml#NAME")
            return try await withConnections(configuration.nats) { control, bulk in
                let opened = try await store.open(control: control, bulk: bulk, logger: .ofCommands)
                return try await closing(opened) { try await body(opened) }
            }
        }
    }
}
