import ArgumentParser
import Foundation
import NATS
import Storage
import StorageClient

/// What every client command takes.
struct ClientOptions: ParsableArguments {
    @Option(help: "The NATS server's URL, or several with commas; otherwise NATS_URL, or nats://127.0.0.1:4222.")
    var server: String?
    @OptionGroup var connection: ConnectionOptions
    @Option(help: "The component's instance.") var instance = "objectstore"
    @Option(help: "How many seconds one request may take.") var timeout = 30.0
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        guard timeout > 0, timeout <= 86_400 else { throw ValidationError("--timeout is not in 0…86400 seconds") }
    }

    /// Runs a command with a connection.
    func withConnection(_ body: (NATSConnection) async throws -> Void) async throws {
        var options = NATSOptions()
        options.urls = NATSOptions.servers(server)
        connection.apply(to: &options)
        try await nats_storage.withConnection(options, body)
    }

    /// Runs a command on the component's store.
    func withStore(_ body: (RemoteStore) async throws -> Void) async throws {
        try await withConnection { connection in
            let timeout = Duration.milliseconds(Int64(timeout * 1000))
            try await body(try await RemoteStore.discover(connection, instance: instance, timeout: timeout))
        }
    }
}
