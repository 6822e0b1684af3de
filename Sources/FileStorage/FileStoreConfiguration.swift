/// Where a file store lies and how careful it is.
public struct FileStoreConfiguration: Sendable, Hashable {
    /// What an acknowledged change survives.
    public enum Durability: String, Sendable, Hashable, CaseIterable {
        /// A power failure: each change is synced to the disk before it is acknowledged.
        case always
        /// The same, with one flush of the file system for all changes that wait for one: more throughput under many
        /// writers, more latency for one.
        case batched
        /// The end of the process, not a power failure: after that an object may be damaged, which a read then tells.
        case none
    }

    /// The folder, made where it is missing. Whatever lies in it already that is not the store's is left alone.
    public var path: String
    /// What an acknowledged change survives.
    public var durability: Durability
    /// Whether a whole object is checked against its digest as it is read.
    public var verify: Bool
    /// How many threads wait for the disk at once.
    public var threads: Int
    /// For how long a temporary file that no living process holds is left alone.
    public var temporaryGrace: Duration
    /// How often temporary files and expired objects are cleaned up, beside at the start.
    public var sweepInterval: Duration

    /// Careful unless told otherwise.
    public init(
        path: String, durability: Durability = .always, verify: Bool = true, threads: Int = 8,
        temporaryGrace: Duration = .seconds(60), sweepInterval: Duration = .seconds(600)
    ) {
        self.path = path
        self.durability = durability
        self.verify = verify
        self.threads = threads
        self.temporaryGrace = temporaryGrace
        self.sweepInterval = sweepInterval
    }
}
