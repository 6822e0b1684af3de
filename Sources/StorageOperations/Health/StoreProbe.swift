import NATS
import Storage
import Synchronization

/// Whether a store answers, asked at most once in a while and by one at a time, however many want to know.
final class StoreProbe: Sendable {
    /// What the last question brought.
    enum Outcome: Sendable, Hashable {
        case answers
        case fails(String)
    }

    /// An object that nobody stores.
    private static let key = ObjectKey("nats-storage.readiness-probe")

    private struct State {
        var outcome: (Outcome, at: ContinuousClock.Instant)?
        /// Since when the store is being asked.
        var asked: ContinuousClock.Instant?
        var waiters: [Int: CheckedContinuation<Outcome, Never>] = [:]
        var lastWaiter = 0

        func fresh(_ life: Duration) -> Outcome? {
            guard let (outcome, time) = outcome, .now - time < life else { return nil }
            return outcome
        }

        /// Whether the store is to be asked now.
        mutating func begins() -> Bool {
            guard asked == nil else { return false }
            asked = .now
            return true
        }
    }

    private let store: any Store
    private let life: Duration
    private let state = Mutex(State())

    /// - Parameter life: for how long an outcome is good enough.
    init(_ store: any Store, life: Duration = .seconds(1)) {
        self.store = store.beneathLayers
        self.life = life
    }

    /// Asks the store for an object that is not there, past the layers that would answer, slow down or count it.
    func outcome(within deadline: Duration) async -> Outcome {
        let (known, number, starts) = state.withLock { state -> (Outcome?, Int, Bool) in
            if let fresh = state.fresh(life) { return (fresh, 0, false) }
            state.lastWaiter += 1
            return (nil, state.lastWaiter, state.begins())
        }
        if let known { return known }
        if starts { start() }
        return await withCheckedContinuation { continuation in
            let ended = state.withLock { state -> Outcome? in
                if state.asked == nil, let (outcome, _) = state.outcome { return outcome }
                state.waiters[number] = continuation
                return nil
            }
            if let ended { return continuation.resume(returning: ended) }
            // Only now: whoever is not there yet could not be resumed.
            _ = Timeouts.shared.schedule(after: deadline) { [weak self] in
                self?.resume(number, .fails("no answer within \(deadline)"))
            }
        }
    }

    /// What is known, at once, for who asks again soon; nil: nothing yet.
    func known(within deadline: Duration) -> Outcome? {
        let (outcome, starts) = state.withLock { state -> (Outcome?, Bool) in
            if let fresh = state.fresh(life) { return (fresh, false) }
            if let asked = state.asked, .now - asked > deadline {
                return (.fails("no answer within \(deadline)"), false)
            }
            return (state.outcome?.0, state.begins())
        }
        if starts { start() }
        return outcome
    }

    /// Unstructured: a store that does not answer holds up nobody but itself.
    private func start() {
        Task { end(await ask()) }
    }

    private func ask() async -> Outcome {
        guard let key = Self.key else { return .answers }
        do throws(StorageError) {
            _ = try await store.info(key)
            return .answers
        } catch {
            // What it says of the object does not matter.
            switch error.kind {
            case .unavailable, .timeout, .internal, .cancelled: return .fails(error.description)
            default: return error.errorClass == .fatal ? .fails(error.description) : .answers
            }
        }
    }

    private func end(_ outcome: Outcome) {
        let waiters = state.withLock { state in
            state.asked = nil
            state.outcome = (outcome, .now)
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        waiters.forEach { $0.resume(returning: outcome) }
    }

    private func resume(_ number: Int, _ outcome: Outcome) {
        state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(returning: outcome)
    }
}

extension Store {
    /// What lies beneath all layers that have one store beneath.
    fileprivate var beneathLayers: any Store {
        guard let layer = self as? any StoreLayer, layer.beneath.count == 1 else { return self }
        return layer.beneath[0].beneathLayers
    }
}
