import CNATS
import Synchronization

/// A subscription whose messages come on the thread that reads the socket.
final class PolledSubscription: SubscriptionHandle {
    private let source: PolledSource
    private let loop: SocketLoop
    private let complete: @Sendable () -> Void
    private let hasEnded = Atomic(false)

    init(
        _ connection: ConnectionHandle, _ loop: SocketLoop, _ subject: String, _ queue: String?,
        _ receive: @escaping @Sendable (NATSMessage) -> Void, complete: @escaping @Sendable () -> Void
    ) throws(NATSError) {
        source = try PolledSource(connection, loop, subject, queue: queue)
        self.loop = loop
        self.complete = complete
        loop.inlets.add(source, subject, receive)
        // What was read in between, when nobody took it.
        loop.wake()
    }

    deinit {
        unsubscribe()
    }

    func unsubscribe() {
        guard !hasEnded.exchange(true, ordering: .relaxed) else { return }
        source.unsubscribe()
        end()
    }

    func drain() -> Bool {
        guard !hasEnded.exchange(true, ordering: .relaxed) else { return true }
        let isDrained = source.drain()
        if !isDrained { source.unsubscribe() }
        end()
        return isDrained
    }

    private func end() {
        loop.inlets.remove(source, complete)
        loop.wake()
    }
}
