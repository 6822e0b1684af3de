import Synchronization
import Waiting

/// How many bytes may be on their way to a server at once, shared by many writers, so that what they send together does
/// not lie there so long that it counts as lost.
///
/// It grows as acknowledgements come of what filled it, and halves where they come late or not at all, as a congestion
/// window does (RFC 5681): from 4 MiB, between 1 and 16. Room is given in the order of asking.
public final class FlightBudget: Sendable {
    /// Bytes on their way, to be given back by ``end(_:isStored:)``.
    public struct Flight: Sendable {
        let bytes: Int
        let start: ContinuousClock.Instant
        /// Whether it went on its way where more than half of the budget was taken.
        let isNearLimit: Bool
    }

    private typealias Continuation = CheckedContinuation<Bool, Never>

    private struct Waiter {
        let bytes: Int
        let continuation: Continuation
    }

    private struct State {
        var limit = 4 << 20
        /// Up to there it doubles in each round trip.
        var threshold = FlightBudget.most
        /// What started earlier tells nothing new of what the server bears.
        var halved = ContinuousClock.now
        var inFlight = 0
        var waiting = WaitQueue<Waiter>()

        var isNearLimit: Bool { inFlight > limit / 2 }

        mutating func admit(_ bytes: Int) -> Bool {
            // One that is larger than the budget goes alone.
            guard inFlight == 0 || inFlight + bytes <= limit else { return false }
            inFlight += bytes
            return true
        }

        mutating func takeAdmitted() -> [Continuation] {
            var admitted: [Continuation] = []
            while let waiter = waiting.first, admit(waiter.bytes) {
                _ = waiting.popFirst()
                admitted.append(waiter.continuation)
            }
            return admitted
        }

        mutating func grow(by bytes: Int) {
            limit = min(limit + (limit < threshold ? bytes : max(1, bytes * bytes / limit)), FlightBudget.most)
        }

        mutating func shrink(since start: ContinuousClock.Instant, now: ContinuousClock.Instant) {
            guard start > halved else { return }
            limit = max(limit / 2, FlightBudget.least)
            threshold = limit
            halved = now
        }
    }

    private static let least = 1 << 20
    private static let most = 16 << 20

    private let late: Duration
    private let state = Mutex(State())

    /// - Parameter timeout: after which the server's answer counts as lost; a quarter of that is late.
    public init(timeout: Duration) {
        late = timeout / 4
    }

    /// How many bytes may be on their way now, how many are, and how many writers wait for room.
    public var figures: (limit: Int, inFlight: Int, waiting: Int) {
        state.withLock { ($0.limit, $0.inFlight, $0.waiting.count) }
    }

    /// Room for so many bytes, as soon as there is some.
    ///
    /// - Throws: `cancelled`; nothing is to be given back then.
    public func start(_ bytes: Int) async throws(NATSError) -> Flight {
        if !state.withLock({ $0.waiting.isEmpty && $0.admit(bytes) }), await !turn(bytes) {
            throw NATSError(.cancelled, "the caller gave up")
        }
        return Flight(bytes: bytes, start: .now, isNearLimit: state.withLock { $0.isNearLimit })
    }

    /// Gives the room back: the server has answered, or was waited for long enough.
    public func end(_ flight: Flight, isStored: Bool) {
        let now = ContinuousClock.now
        let admitted = state.withLock { state in
            state.inFlight -= flight.bytes
            if !isStored || now - flight.start >= late {
                state.shrink(since: flight.start, now: now)
            } else if flight.isNearLimit || !state.waiting.isEmpty {
                // Others tell nothing of what the server bears.
                state.grow(by: flight.bytes)
            }
            return state.takeAdmitted()
        }
        for continuation in admitted { continuation.resume(returning: true) }
    }

    /// Waits; false where the task was cancelled first.
    private func turn(_ bytes: Int) async -> Bool {
        let number = WaitNumber()
        return await untilResumed { continuation in
            state.withLock { state in
                if Task.isCancelled { return false }
                if state.waiting.isEmpty, state.admit(bytes) { return true }
                state.waiting.append(Waiter(bytes: bytes, continuation: continuation), number)
                return nil
            }
        } onCancel: {
            giveUp(number)
        }
    }

    /// Those behind it may go on where it was the first.
    private func giveUp(_ number: WaitNumber) {
        let (waiter, admitted) = state.withLock { state in
            (state.waiting.remove(number), state.takeAdmitted())
        }
        waiter?.continuation.resume(returning: false)
        for continuation in admitted { continuation.resume(returning: true) }
    }
}
