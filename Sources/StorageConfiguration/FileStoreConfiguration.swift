import FileStorage
import Storage

extension FileStoreConfiguration {
    init(_ node: ConfigurationNode) throws {
        let fields = try node.fields(
            "type", "path", "durability", "verify", "threads", "temporary_grace", "sweep_interval")
        guard let path = try fields["path"]?.string(), !path.isEmpty else { throw node.failure("has no path") }
        self.init(path: path)
        durability =
            try fields["durability"]?.choice([
                "always": .always, "batched": .batched, "none": FileStoreConfiguration.Durability.none,
            ]) ?? durability
        verify = try fields["verify"]?.boolean() ?? verify
        threads = try fields["threads"]?.integer(in: 1...256) ?? threads
        temporaryGrace = try fields["temporary_grace"]?.duration() ?? temporaryGrace
        sweepInterval = try fields["sweep_interval"]?.duration() ?? sweepInterval
    }
}
