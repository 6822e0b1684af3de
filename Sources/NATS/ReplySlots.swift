import CNATS
import Synchronization
import Waiting

/// Subscriptions for replies, each for one request at a time. To a program that takes messages by itself the library tells
/// that nobody listens, but not on which subject it had asked: here that is known by the subscription.
final class ReplySlots: Sendable {
    fileprivate struct Slot: Sendable {
        let source: PolledSource
        let inbox: String
        /// The request whose reply comes here; 0: none.
        var token: UInt64
    }

    fileprivate struct State {
        var slots: [Slot] = []
        /// How many there are, or are being made.
        var count = 0
        /// How many have been made.
        var made = 0
        var requests: PendingRequests?
        var inbox = ""
    }

    private static let most = 256

    private let state = Mutex(State())

    /// From now on replies to `requests` may come here, on subjects that begin with `inbox`.
    func open(_ requests: PendingRequests, inbox: String) {
        requests.setAbandoned { self.abandon($0) }
        state.withLock { state in
            state.requests = requests
            state.inbox = inbox
        }
    }

    /// The subject for the reply to a request; nil where there is no room here for one more.
    func take(_ token: UInt64, _ connection: ConnectionHandle, _ loop: SocketLoop) -> String? {
        let slot = state.withLock { state -> (inbox: String, isNew: Bool)? in
            if let index = state.slots.firstIndex(where: { $0.token == 0 }) {
                state.slots[index].token = token
                return (state.slots[index].inbox, false)
            }
            guard state.count < Self.most, state.requests != nil else { return nil }
            state.count += 1
            state.made += 1
            return ("\(state.inbox)-\(state.made)", true)
        }
        guard let slot, !slot.isNew || make(slot.inbox, token, connection, loop) else { return nil }
        return "\(slot.inbox).\(token)"
    }

    private func make(_ inbox: String, _ token: UInt64, _ connection: ConnectionHandle, _ loop: SocketLoop) -> Bool {
        guard let source = try? PolledSource(connection, loop, inbox + ".*") else {
            state.withLock { $0.count -= 1 }
            return false
        }
        state.withLock { $0.slots.append(Slot(source: source, inbox: inbox, token: token)) }
        return true
    }

    /// The request ended without a reply: that nobody listens, if that comes yet, must not be taken for another's.
    func abandon(_ token: UInt64) {
        let slot = state.withLock { state -> Slot? in
            guard let index = state.slots.firstIndex(where: { $0.token == token }) else { return nil }
            state.count -= 1
            return state.slots.remove(at: index)
        }
        slot?.source.unsubscribe()
    }

    /// Takes the replies that were read, on the socket's thread.
    func deliver() {
        let (taken, requests) = state.withLock { ($0.takeReplies(), $0.requests) }
        for (token, reply) in taken {
            switch reply {
            case .message(let message):
                Burst.wake(here: isSmall(message)) {
                    requests?.answer(token) { NATSMessage(copying: message, subject: $0) }
                }
                Discards.add(message)
            case .nobody:
                requests?.answer(token) { .noResponders(on: $0) }
            }
        }
    }

    /// Nothing is read any more.
    func finish() {
        // Let go of outside of the lock.
        _ = state.withLock { state in
            defer { state = State() }
            return state.slots
        }
    }
}

extension ReplySlots.State {
    fileprivate mutating func takeReplies() -> [(UInt64, PolledSource.Taken)] {
        var replies: [(UInt64, PolledSource.Taken)] = []
        for index in slots.indices {
            for _ in 0..<slots[index].source.count {
                let token = slots[index].token
                guard let reply = slots[index].source.take() else { break }
                if case .message(let message) = reply, NATSConnection.token(of: message) != token {
                    // Another reply to an earlier request.
                    Discards.add(message)
                } else if token != 0 {
                    replies.append((token, reply))
                    slots[index].token = 0
                }
            }
        }
        return replies
    }
}
