import DequeModule
import Synchronization

/// Publishes in flight, at most `limit` of them, sent in the order of the calls; every acknowledgement is checked.
///
/// For one writer at a time. After a failure nothing more is sent. What the server refuses because too much came at once
/// is sent again, fewer at a time, where the window is told the stream: what was stored behind it is removed first, so
/// that the order stays.
public final class PublishWindow: Sendable {
    /// A message that was sent, kept until it and all before it are stored.
    private struct Sent {
        let message: JetStream.Publication
        var sequence: UInt64?
    }

    private struct State {
        var limit: Int
        let keeps: Bool
        var inFlight = 0
        var failure: NATSError?
        /// Whether a message is stored, or may be.
        var mayHaveStored = false
        var sequences: ClosedRange<UInt64>?
        var count = 0
        var waiter: CheckedContinuation<Void, Never>?
        var kept: Deque<Sent> = []
        /// How many messages came before those that are kept.
        var settled = 0
        /// Why some of them have to be sent again.
        var refusal: NATSError?
        /// How often some were sent again.
        var rounds = 0

        var occupied: Int { keeps ? kept.count : inFlight }

        mutating func keep(_ message: JetStream.Publication) -> Int {
            inFlight += 1
            if keeps { kept.append(Sent(message: message)) }
            return settled + kept.count - 1
        }

        mutating func store(_ number: Int, _ sequence: UInt64) {
            let known = sequences ?? sequence...sequence
            sequences = min(known.lowerBound, sequence)...max(known.upperBound, sequence)
            guard keeps else { return }
            kept[number - settled].sequence = sequence
            while kept.first?.sequence != nil {
                kept.removeFirst()
                settled += 1
            }
        }

        /// What is to be sent again, in order: what was refused, and all behind it.
        mutating func takeKept() -> [Sent] {
            defer { kept = [] }
            refusal = nil
            rounds += 1
            limit = max(1, limit / 2)
            settled += kept.count
            count -= kept.count { $0.sequence != nil }
            return Array(kept)
        }
    }

    /// So often some are sent again, at last one by one.
    private static let mostRounds = 16

    private let stream: JetStream
    private let name: String?
    private let budget: FlightBudget?
    private let takesEmptyAcks: Bool
    private let state: Mutex<State>

    /// - Parameters:
    ///   - name: the stream's, where what it refuses for its number is to be sent again.
    ///   - takesEmptyAcks: whether an empty answer means that the message came, as within a batch.
    init(_ stream: JetStream, limit: Int, budget: FlightBudget?, name: String? = nil, takesEmptyAcks: Bool = false) {
        self.stream = stream
        self.name = name
        self.budget = budget
        self.takesEmptyAcks = takesEmptyAcks
        state = Mutex(State(limit: max(1, limit), keeps: name != nil))
    }

    /// Sends a message as soon as there is room in the window, and in the budget.
    ///
    /// - Throws: the first failure of an earlier publish, or what keeps this one from being sent: `cancelled` where
    ///   there was no room in the budget yet.
    public func publish(
        _ subject: String, headers: NATSHeaders = [:], payload: [UInt8]
    ) async throws(NATSError) {
        await waitForRoom()
        try await sendRefused()
        try await send(JetStream.Publication(subject, headers: headers, payload: payload))
    }

    /// What a window's publishes came to.
    public struct Summary: Sendable, Hashable {
        /// How many messages were stored.
        public var count: Int
        /// The first and the last sequence; nil where nothing was published.
        public var sequences: ClosedRange<UInt64>?
    }

    /// Waits for every acknowledgement.
    ///
    /// - Throws: the first failure.
    public func finish() async throws(NATSError) -> Summary {
        repeat {
            try await sendRefused()
            await wait { $0.inFlight == 0 }
        } while state.withLock { $0.refusal != nil && $0.failure == nil }
        let (failure, summary) = state.withLock { ($0.failure, Summary(count: $0.count, sequences: $0.sequences)) }
        if let failure { throw failure }
        return summary
    }

    /// Waits until nothing is in flight, whatever became of it: what was stored can be removed then.
    ///
    /// - Returns: whether there is anything that may be stored.
    @discardableResult
    public func abort() async -> Bool {
        await wait { $0.inFlight == 0 }
        return state.withLock { $0.mayHaveStored }
    }

    private func waitForRoom() async {
        guard state.withLock({ $0.occupied >= $0.limit }) else { return }
        // Until there is room for several: to be woken for each costs more.
        await wait { $0.occupied <= $0.limit - max(1, $0.limit / 4) || $0.failure != nil || $0.refusal != nil }
    }

    private func wait(until isReady: @escaping @Sendable (borrowing State) -> Bool) async {
        while !state.withLock({ isReady($0) }) {
            await withCheckedContinuation { continuation in
                let isReadyNow = state.withLock { state in
                    if isReady(state) { return true }
                    state.waiter = continuation
                    return false
                }
                if isReadyNow { continuation.resume() }
            }
        }
    }

    private func send(_ message: JetStream.Publication) async throws(NATSError) {
        let flight = try await budget?.start(message.payload.count)
        let number = state.withLock { $0.keep(message) }
        do throws(NATSError) {
            try stream.connection.enqueueRequest(
                message.subject, headers: message.headers, payload: message.payload, timeout: stream.timeout
            ) { self.acknowledge(number, message.subject, flight, $0) }
        } catch {
            end(number, flight, .failure(error))
            throw error
        }
    }

    /// Sends again what was refused, if anything was.
    private func sendRefused() async throws(NATSError) {
        var queue: Deque<JetStream.Publication> = []
        while true {
            let (failure, refusal) = state.withLock { ($0.failure, $0.refusal) }
            if let failure { throw failure }
            if let refusal { queue.insert(contentsOf: try await takeBack(refusal), at: 0) }
            guard let message = queue.popFirst() else { return }
            try await send(message)
            await waitForRoom()
        }
    }

    /// What has to be sent again, once none of it is stored.
    private func takeBack(_ refusal: NATSError) async throws(NATSError) -> [JetStream.Publication] {
        await wait { $0.inFlight == 0 }
        let (failure, sent, rounds) = state.withLock { ($0.failure, $0.takeKept(), $0.rounds) }
        if let failure { throw failure }
        guard let name, rounds <= Self.mostRounds else {
            state.withLock { $0.failure = refusal }
            throw refusal
        }
        for sequence in sent.compactMap(\.sequence) { try await stream.deleteMessage(name, sequence: sequence) }
        try? await Task.sleep(for: .milliseconds(5 * rounds))
        if Task.isCancelled { throw NATSError(.cancelled, "the caller gave up") }
        return sent.map(\.message)
    }

    private func acknowledge(
        _ number: Int, _ subject: String, _ flight: FlightBudget.Flight?, _ outcome: Result<NATSMessage, NATSError>
    ) {
        do throws(NATSError) {
            let reply = try outcome.get()
            let isEmpty = takesEmptyAcks && reply.payload.isEmpty && reply.status == nil
            end(number, flight, .success(isEmpty ? nil : try PublishAck(reply, of: subject)))
        } catch {
            end(number, flight, .failure(error))
        }
    }

    private func end(_ number: Int, _ flight: FlightBudget.Flight?, _ outcome: Result<PublishAck?, NATSError>) {
        if let flight { budget?.end(flight, isStored: outcome.isSuccess) }
        let waiter = state.withLock { state in
            state.inFlight -= 1
            switch outcome {
            case .success(let ack):
                state.count += 1
                state.mayHaveStored = true
                if let ack { state.store(number, ack.sequence) }
            case .failure(let error) where state.keeps && error.isRefusedForNumber:
                state.refusal = state.refusal ?? error
            case .failure(let error):
                state.failure = state.failure ?? error
                if !error.isUnstored { state.mayHaveStored = true }
            }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}

extension NATSError {
    /// Whether the server took no more messages at that moment.
    fileprivate var isRefusedForNumber: Bool {
        if case .api(code: 429, _) = code { true } else { false }
    }
}

extension Result {
    fileprivate var isSuccess: Bool {
        if case .success = self { true } else { false }
    }
}
