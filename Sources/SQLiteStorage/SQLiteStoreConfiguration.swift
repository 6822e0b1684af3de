/// Where a SQLite store lies and how careful it is.
public struct SQLiteStoreConfiguration: Sendable, Hashable {
    /// What an acknowledged change survives.
    public enum Durability: String, Sendable, Hashable, CaseIterable {
        /// A power failure: the log is synced to the disk with each transaction.
        case always
        /// The end of the process; a power failure may take the last changes back, in order, and damages nothing.
        case none
    }

    /// The database file, made where it is missing; `-wal` and `-shm` lie beside it.
    public var path: String
    /// What an acknowledged change survives.
    public var durability: Durability
    /// Whether a whole object is checked against its digest as it is read.
    public var verify: Bool
    /// How many reads happen at once.
    public var readers: Int
    /// How long a change waits for other processes to end theirs.
    public var busyTimeout: Duration
    /// For how long the bytes of an upload that goes on no further are kept.
    public var uploadGrace: Duration
    /// For how long the bytes of a large object that was replaced or deleted stay for those who are reading them.
    public var readerGrace: Duration
    /// How often what has expired, and bytes of no object, are cleaned up, beside at the start.
    public var sweepInterval: Duration

    /// Careful unless told otherwise.
    public init(
        path: String, durability: Durability = .always, verify: Bool = true, readers: Int = 4,
        busyTimeout: Duration = .seconds(10), uploadGrace: Duration = .seconds(600),
        readerGrace: Duration = .seconds(60), sweepInterval: Duration = .seconds(600)
    ) {
        self.path = path
        self.durability = durability
        self.verify = verify
        self.readers = readers
        self.busyTimeout = busyTimeout
        self.uploadGrace = uploadGrace
        self.readerGrace = readerGrace
        self.sweepInterval = sweepInterval
    }
}
