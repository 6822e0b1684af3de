import CNATS

/// A library's subscription whose messages the socket's thread takes, right after it has read them: to hand each to a
/// thread of the subscription's own takes longer than to deal with it.
final class PolledSource: Sendable {
    /// What the server sent.
    enum Taken {
        /// A message, to be destroyed by who takes it.
        case message(OpaquePointer)
        /// That nobody listens, without a subject: the library keeps it.
        case nobody
    }

    private let address: UInt
    /// The library's reader may look at a subscription while another thread destroys it: not in turn.
    private let loop: SocketLoop

    private var pointer: OpaquePointer? { OpaquePointer(bitPattern: address) }

    init(
        _ connection: ConnectionHandle, _ loop: SocketLoop, _ subject: String, queue: String? = nil
    ) throws(NATSError) {
        var pointer: OpaquePointer?
        try connection.send("subscribing to “\(subject)”") {
            if let queue {
                natsConnection_QueueSubscribeSync(&pointer, connection.pointer, subject, queue)
            } else {
                natsConnection_SubscribeSync(&pointer, connection.pointer, subject)
            }
        }
        guard let pointer else { throw NATSError(.internalError, "subscribing to “\(subject)” gave nothing") }
        address = UInt(bitPattern: pointer)
        self.loop = loop
        // The library drops in silence; and what is read is taken at once.
        _ = natsSubscription_SetPendingLimits(pointer, -1, -1)
    }

    deinit {
        unsubscribe()
        loop.takeTurn { natsSubscription_Destroy(pointer) }
    }

    /// Tells the server to send no more; what it has sent is dropped.
    func unsubscribe() {
        if natsSubscription_IsValid(pointer) { _ = natsSubscription_Unsubscribe(pointer) }
    }

    /// Tells the server to send no more, and waits until what it has sent is taken; false where it is away.
    func drain() -> Bool {
        let limit = Int64(drainSeconds) * 1000
        return natsSubscription_DrainTimeout(pointer, limit) == NATS_OK
            && natsSubscription_WaitForDrainCompletion(pointer, limit) == NATS_OK
    }

    /// How many messages have been read and not taken.
    var count: UInt64 {
        var count: UInt64 = 0
        return natsSubscription_QueuedMsgs(pointer, &count) == NATS_OK ? count : 0
    }

    /// The next message; nil where there is none.
    func take() -> Taken? {
        var message: OpaquePointer?
        switch natsSubscription_NextMsg(&message, pointer, 0) {
        case NATS_OK: return message.map { .message($0) }
        case NATS_NO_RESPONDERS: return .nobody
        default: return nil
        }
    }
}
