import SQLiteStorage
import Storage

extension SQLiteStoreConfiguration {
    init(_ node: ConfigurationNode) throws {
        let fields = try node.fields(
            "type", "path", "durability", "verify", "readers", "busy_timeout", "upload_grace", "reader_grace",
            "sweep_interval")
        guard let path = try fields["path"]?.string(), !path.isEmpty else { throw node.failure("has no path") }
        self.init(path: path)
        let choices = Dictionary(uniqueKeysWithValues: Durability.allCases.map { ($0.rawValue, $0) })
        durability = try fields["durability"]?.choice(choices) ?? durability
        verify = try fields["verify"]?.boolean() ?? verify
        readers = try fields["readers"]?.integer(in: 1...64) ?? readers
        busyTimeout = try fields["busy_timeout"]?.duration() ?? busyTimeout
        uploadGrace = try fields["upload_grace"]?.duration() ?? uploadGrace
        readerGrace = try fields["reader_grace"]?.duration() ?? readerGrace
        sweepInterval = try fields["sweep_interval"]?.duration() ?? sweepInterval
    }
}
