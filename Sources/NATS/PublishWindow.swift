import Synchronization

/// Publishes in flight, at most `limit` of them, sent in the order of the calls; every acknowledgement is checked.
///
/// For one writer at a time. After a failure nothing more is sent.
public final class PublishWindow: Sendable {
    private struct State {
        var inFlight = 0
        var failure: NATSError?
        var sequences: ClosedRange<UInt64>?
        var count = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let stream: JetStream
    private let limit: Int
    private let budget: FlightBudget?
    private let takesEmptyAcks: Bool
    private let state = Mutex(State())

    /// - Parameter takesEmptyAcks: whether an empty answer means that the message came, as within a batch.
    init(_ stream: JetStream, limit: Int, budget: FlightBudget?, takesEmptyAcks: Bool = false) {
        self.stream = stream
        self.limit = max(1, limit)
        self.budget = budget
        self.takesEmptyAcks = takesEmptyAcks
    }

    /// Sends a message as soon as there is room in the window, and in the budget.
    ///
    /// - Throws: the first failure of an earlier publish, or what keeps this one from being sent: `cancelled` where
    ///   there was no room in the budget yet.
    public func publish(
        _ subject: String, headers: NATSHeaders = [:], payload: [UInt8]
    ) async throws(NATSError) {
        if state.withLock({ $0.inFlight >= limit }) {
            // Until there is room for several: to be woken for each costs more.
            await wait { [limit] in $0.inFlight <= limit - max(1, limit / 4) || $0.failure != nil }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
        let flight = try await budget?.start(payload.count)
        state.withLock { $0.inFlight += 1 }
        do throws(NATSError) {
            try stream.connection.enqueueRequest(
                subject, headers: headers, payload: payload, timeout: stream.timeout
            ) { self.acknowledge(subject, flight, $0) }
        } catch {
            end(flight, .failure(error))
            throw error
        }
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
        await wait { $0.inFlight == 0 }
        let (failure, summary) = state.withLock { ($0.failure, Summary(count: $0.count, sequences: $0.sequences)) }
        if let failure { throw failure }
        return summary
    }

    /// Waits until nothing is in flight, whatever became of it: what was stored can be removed then.
    public func abort() async {
        await wait { $0.inFlight == 0 }
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

    private func acknowledge(
        _ subject: String, _ flight: FlightBudget.Flight?, _ outcome: Result<NATSMessage, NATSError>
    ) {
        do throws(NATSError) {
            let reply = try outcome.get()
            let isEmpty = takesEmptyAcks && reply.payload.isEmpty && reply.status == nil
            end(flight, .success(isEmpty ? nil : try PublishAck(reply, of: subject)))
        } catch {
            end(flight, .failure(error))
        }
    }

    private func end(_ flight: FlightBudget.Flight?, _ outcome: Result<PublishAck?, NATSError>) {
        if let flight { budget?.end(flight, isStored: outcome.isSuccess) }
        let waiter = state.withLock { state in
            state.inFlight -= 1
            switch outcome {
            case .success(let ack):
                state.count += 1
                guard let ack else { break }
                let known = state.sequences ?? ack.sequence...ack.sequence
                state.sequences = min(known.lowerBound, ack.sequence)...max(known.upperBound, ack.sequence)
            case .failure(let error): state.failure = state.failure ?? error
            }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}

extension Result {
    fileprivate var isSuccess: Bool {
        if case .success = self { true } else { false }
    }
}
