import CNATS
import Synchronization
import Waiting

/// Where messages come in from one socket: the thread that has read them takes them from here.
final class Inlets: Sendable {
    private struct Inlet: Sendable {
        let source: PolledSource
        let subject: String
        let receive: @Sendable (NATSMessage) -> Void
    }

    private struct State {
        var inlets: [Inlet] = []
        /// What is to be told once what was taken before has been received.
        var ended: [@Sendable () -> Void] = []
        var isOver = false
    }

    private let state = Mutex(State())
    let replies = ReplySlots()

    /// Has its messages received on the socket's thread.
    func add(_ source: PolledSource, _ subject: String, _ receive: @escaping @Sendable (NATSMessage) -> Void) {
        state.withLock { $0.inlets.append(Inlet(source: source, subject: subject, receive: receive)) }
    }

    /// Receives no more from it: `complete` comes after its last message.
    func remove(_ source: PolledSource, _ complete: @escaping @Sendable () -> Void) {
        let isOver = state.withLock { state in
            state.inlets.removeAll { $0.source === source }
            if !state.isOver { state.ended.append(complete) }
            return state.isOver
        }
        if isOver { complete() }
    }

    /// Takes what was read; on the socket's thread, with nobody waiting for it.
    func deliver() {
        let (inlets, ended) = state.withLock { state in
            defer { state.ended.removeAll() }
            return (state.inlets, state.ended)
        }
        Burst.run {
            replies.deliver()
            inlets.forEach(Self.deliver)
        }
        for complete in ended { complete() }
    }

    private static func deliver(_ inlet: Inlet) {
        for _ in 0..<inlet.source.count {
            switch inlet.source.take() {
            case .message(let message):
                Burst.wake(here: isSmall(message)) { inlet.receive(NATSMessage(copying: message)) }
                Discards.add(message)
            case .nobody:
                inlet.receive(.noResponders(on: inlet.subject))
            case nil:
                return
            }
        }
    }

    /// Nothing is read any more.
    func finish() {
        let ended = state.withLock { state in
            defer { state = State(isOver: true) }
            return state.ended
        }
        for complete in ended { complete() }
        replies.finish()
    }
}

/// Whether what a message wakes takes little time, as far as its length tells.
func isSmall(_ message: OpaquePointer) -> Bool {
    natsMsg_GetDataLength(message) <= NATSConnection.directWriteLimit
}
