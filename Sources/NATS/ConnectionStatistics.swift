import CNATS
import Waiting

/// What went over a connection since it was made.
public struct ConnectionStatistics: Sendable, Hashable {
    /// Messages received.
    public var messagesIn: UInt64 = 0
    /// Their bytes.
    public var bytesIn: UInt64 = 0
    /// Messages published, requests and replies included.
    public var messagesOut: UInt64 = 0
    /// Their bytes.
    public var bytesOut: UInt64 = 0
    /// How often the connection was made anew.
    public var reconnects: UInt64 = 0
    /// Messages that were dropped since a subscription's reader was too slow.
    public var dropped: Int = 0
    /// What the server reported beside any operation.
    public var errors: Int = 0
    /// The current server's URL, without user and password.
    public var url: String?
}

extension NATSConnection {
    /// What went over the connection so far.
    public func statistics() async -> ConnectionStatistics {
        // A write to a stalled server holds the connection's lock.
        await offPool { [self] in
            var statistics = ConnectionStatistics()
            (statistics.dropped, statistics.errors) = (events.droppedCount, events.errorCount)
            statistics.url = connectedURL
            var counts: OpaquePointer?
            guard natsStatistics_Create(&counts) == NATS_OK, let counts else { return statistics }
            defer { natsStatistics_Destroy(counts) }
            guard natsConnection_GetStats(handle.pointer, counts) == NATS_OK else { return statistics }
            natsStatistics_GetCounts(
                counts, &statistics.messagesIn, &statistics.bytesIn, &statistics.messagesOut, &statistics.bytesOut,
                &statistics.reconnects)
            return statistics
        }
    }
}
