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

    /// A stream whose messages are stored, by a durable consumer that all components of the instance share.
    public struct StreamInput: Sendable {
        /// The stream's name.
        public var stream: String
        /// Which of its subjects; nil: all.
        public var subject: String?
        /// The consumer's name.
        public var durable: String

        /// The messages of `stream` on `subject`.
        public init(stream: String, subject: String?, durable: String) {
            self.stream = stream
            self.subject = subject
            self.durable = durable
        }
    }

    /// The instance's name: `A-Z a-z 0-9 - _`.
    public let name: String
    /// Makes the keys of what comes without one.
    public var keyGenerator: any KeyGenerator
    /// Makes the metadata of what comes on `write`.
    public var metadataExtractor: any MetadataExtractor = HeaderMetadataExtractor()
    /// Bounds.
    public var limits = Limits()
    /// Where the write port takes its messages from besides its subject; nil: from there alone.
    public var stream: StreamInput?
    private var subjects: [Port: String] = [:]

    /// The instance `name` with every port on its default subject.
    ///
    /// - Throws: `invalid` for a name that is no subject token.
    public init(name: String = "objectstore") throws(StorageError) {
        guard name.isName else {
            throw StorageError(.invalid, "instance name “\(name.abbreviated)” is not of A-Z a-z 0-9 - _")
        }
        self.name = name
        keyGenerator = try TimeKeyGenerator()
    }

    /// The subject of a port.
    package func subject(_ port: Port) -> String {
        subjects[port] ?? port.defaultSubject(instance: name)
    }

    /// Puts a port on another subject.
    package mutating func setSubject(_ subject: String, of port: Port) {
        subjects[port] = subject
    }

    var queueGroup: String { "storage.\(name)" }
}
