import Foundation
import NATS
import Storage
import StorageConfiguration
import StorageService

extension Configuration {
    /// What a file says, with the environment's variables, and another server where one is given.
    init(file: String, server: String?) throws {
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
            throw StorageError(.invalid, "the configuration file “\(file)” can't be read")
        }
        try self.init(yaml: text, environment: ProcessInfo.processInfo.environment)
        let servers = ServerURL.list(server ?? "")
        if !servers.isEmpty { nats.urls = servers }
    }

    /// The store of the instance of this name; the only one needs no name.
    ///
    /// - Parameter way: how an instance is named, for whoever did not.
    func store(of instance: String?, namedBy way: String) throws -> StoreConfiguration {
        let named = instances.filter { instance == nil || $0.configuration.name == instance }
        guard named.count == 1, let chosen = named.first else {
            let names = instances.map(\.configuration.name).joined(separator: ", ")
            throw StorageError(.invalid, "name one instance of the file \(way): \(names)")
        }
        return chosen.store
    }
}
