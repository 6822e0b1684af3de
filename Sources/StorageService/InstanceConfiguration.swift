public import Storage
package import StorageWire

/// One instance: its name, its plugins, its limits and its ports.
public struct InstanceConfiguration: Sendable {
    /// Bounds of what an instance takes on.
    public struct Limits: Sendable {
        /// The largest object, in bytes.
        public var maxObjectSize = 5 << 30
        /// How many requests may be under way; one more is answered `unavailable`.
        public var maxInFlight = 256
        /// How long a request may take where the caller names no time.
        public var requestTimeout: Duration = .seconds(30)
        /// How many uploads may be open.
        public var maxUploads = 64
        /// How long an upload may be silent.
        public var uploadIdle: Duration = .seconds(30)

        /// The most keys and prefixes in one answer to a list; the rest comes with the next ones.
        public var maxKeys = ListQuery.maximumLimit

        /// The usual bounds.
        public init() {}
    }

    /// The instance's name: `A-Z a-z 0-9 - _`.
    public let name: String
    /// Makes the keys of what comes without one.
    public var keyGenerator: any KeyGenerator
    /// Makes the metadata of what comes on `write`.
    public var metadataExtractor: any MetadataExtractor = HeaderMetadataExtractor()
    /// Bounds.
    public var limits = Limits()
    /// How long open uploads may go on after a stop was asked for; service managers end a process after 60 seconds.
    public var uploadGrace: Duration = .seconds(40)
    /// Where messages come from that are stored and passed on.
    public var inputs: [InputConfiguration]
    /// Where events go.
    public var events: [OutputConfiguration]
    /// Where references go.
    public var stored: [OutputConfiguration]
    private var subjects: [Port: String] = [:]

    /// The instance `name` with every port on its default subject.
    ///
    /// - Throws: `invalid` for a name that is no subject token.
    public init(name: String = "objectstore") throws(StorageError) {
        guard name.isName else {
            throw StorageError(.invalid, "instance name “\(name.abbreviated)” is not of A-Z a-z 0-9 - _")
        }
        self.name = name
        inputs = [InputConfiguration(.core(subject: Port.write.defaultSubject(instance: name)))]
        events = [OutputConfiguration(subject: Port.events.defaultSubject(instance: name))]
        stored = [OutputConfiguration(subject: Port.stored.defaultSubject(instance: name))]
        keyGenerator = try TimeKeyGenerator()
    }

    /// The subject of a port that answers requests.
    package func subject(_ port: Port) -> String {
        subjects[port] ?? port.defaultSubject(instance: name)
    }

    /// Puts a port that answers requests on another subject.
    package mutating func setSubject(_ subject: String, of port: Port) {
        subjects[port] = subject
    }

    var queueGroup: String { "storage.\(name)" }
}
