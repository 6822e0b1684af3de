import CNATS
import Dispatch
import Synchronization
import Waiting

/// A subscription with a thread of its own, which the library calls back on.
final class CalledSubscription: SubscriptionHandle {
    /// What the callbacks see. The library holds one reference, released in the completion callback: after that, and
    /// not before, no message callback runs.
    private final class Context: Sendable {
        let receive: @Sendable (OpaquePointer) -> Void
        let complete: @Sendable () -> Void
        /// Whether a message wakes work that takes long: a chunk is hashed when the one before it is stored.
        let isBulk: Bool
        let ended = DispatchSemaphore(value: 0)
        /// The subscription; 0 before it is made and after it is destroyed, which a handle may outlive.
        let pointer = Mutex<UInt>(0)

        init(
            _ receive: @escaping @Sendable (OpaquePointer) -> Void, _ complete: @escaping @Sendable () -> Void,
            isBulk: Bool
        ) {
            self.receive = receive
            self.complete = complete
            self.isBulk = isBulk
        }

        /// Lends the subscription out, unless it is destroyed; it is not destroyed meanwhile.
        func withSubscription(_ body: (OpaquePointer) -> Void) {
            pointer.withLock { address in
                if let pointer = OpaquePointer(bitPattern: address) { body(pointer) }
            }
        }

        func destroySubscription() {
            let address = pointer.withLock { address in
                defer { address = 0 }
                return address
            }
            natsSubscription_Destroy(OpaquePointer(bitPattern: address))
        }
    }

    /// The read loop may still use a subscription after its completion callback; freed at once it would be used after.
    private static let grace = DispatchTimeInterval.seconds(5)

    private let context: Context
    private let hasEnded = Atomic(false)

    init(
        _ connection: ConnectionHandle, _ subject: String, _ queue: String?,
        _ receive: @escaping @Sendable (OpaquePointer) -> Void, complete: @escaping @Sendable () -> Void = {}
    ) throws(NATSError) {
        let context = Context(receive, complete, isBulk: connection.isBulk)
        let closure = Unmanaged.passRetained(context).toOpaque()
        var pointer: OpaquePointer?
        let status =
            if let queue {
                natsConnection_QueueSubscribe(
                    &pointer, connection.pointer, subject, queue, Self.received, closure)
            } else {
                natsConnection_Subscribe(&pointer, connection.pointer, subject, Self.received, closure)
            }
        guard status == NATS_OK, let pointer else {
            Unmanaged<Context>.fromOpaque(closure).release()
            throw NATSError(status, "subscribing to “\(subject)”")
                ?? NATSError(.internalError, "subscribing to “\(subject)” gave nothing")
        }
        self.context = context
        context.pointer.withLock { $0 = UInt(bitPattern: pointer) }
        _ = natsSubscription_SetPendingLimits(pointer, -1, -1)
        _ = natsSubscription_SetOnCompleteCB(pointer, Self.completed, closure)
    }

    deinit {
        unsubscribe()
    }

    func unsubscribe() {
        if begins() { context.withSubscription { _ = natsSubscription_Unsubscribe($0) } }
    }

    func drain() -> Bool {
        guard begins() else { return true }
        var status = NATS_OK
        context.withSubscription { status = natsSubscription_DrainTimeout($0, Int64(drainSeconds) * 1000) }
        if status != NATS_OK { context.withSubscription { _ = natsSubscription_Unsubscribe($0) } }
        return status == NATS_OK && context.ended.wait(timeout: .now() + .seconds(drainSeconds)) == .success
    }

    /// Whether this call is the first that ends it.
    private func begins() -> Bool { !hasEnded.exchange(true, ordering: .relaxed) }

    /// Runs on the subscription's own thread.
    private static let received: natsMsgHandler = { _, subscription, message, closure in
        guard let message, let closure else { return }
        let context = Unmanaged<Context>.fromOpaque(closure).takeUnretainedValue()
        Burst.run {
            Burst.wake(here: !context.isBulk && isAlone(message, subscription)) { context.receive(message) }
            Discards.add(message)
        }
    }

    /// Whether it is small, and no other waits behind it.
    private static func isAlone(_ message: OpaquePointer, _ subscription: OpaquePointer?) -> Bool {
        var waiting: UInt64 = 0
        return isSmall(message) && natsSubscription_QueuedMsgs(subscription, &waiting) == NATS_OK && waiting == 0
    }

    /// Runs on the subscription's own thread, after the last message callback.
    private static let completed: natsOnCompleteCB = { closure in
        guard let closure else { return }
        let context = Unmanaged<Context>.fromOpaque(closure).takeRetainedValue()
        context.complete()
        context.ended.signal()
        DispatchQueue.global().asyncAfter(deadline: .now() + grace) { context.destroySubscription() }
    }
}
