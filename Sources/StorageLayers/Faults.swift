public import Storage

/// What goes wrong on purpose in a ``FaultyStore``, and how often; nothing unless set.
public struct Faults: Sendable {
    /// When an operation that fails does so.
    public enum Moment: Sendable, Hashable {
        /// Before the store beneath hears of it: nothing has happened.
        case before
        /// After the store beneath has done it: as where an acknowledgement is lost.
        case after
    }

    /// How a body is cut short.
    public enum Cut: Sendable, Hashable {
        /// It throws the error after so many bytes.
        case failing(after: Int)
        /// It ends after so many bytes as if there were no more: what no store should do, and a reader has to notice.
        case ending(after: Int)
    }

    /// How long every operation waits before it starts.
    public var latency: Duration = .zero
    /// Every nth operation fails, counted over all operations that may; nil: none.
    public var failEvery: Int?
    /// How likely each operation is to fail, 0…1.
    public var failProbability: Double = 0
    /// Where the chances come from: the same seed gives the same sequence.
    public var seed: UInt64 = 1
    /// What is thrown.
    public var error = StorageError(.unavailable, "this failure was injected")
    /// When it is thrown.
    public var moment = Moment.before
    /// What befalls the bodies that gets return, ranges included.
    public var cut: Cut?
    /// The operations that may fail; others only wait.
    public var operations: Set<StorageError.Operation> = [.put, .get, .info, .list, .delete, .setMetadata]

    /// No faults.
    public init() {}
}
