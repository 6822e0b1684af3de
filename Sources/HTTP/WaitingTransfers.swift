/// The transfers of which nothing was sent yet: all connections to their host are in use, or theirs is being made.
///
/// libcurl's timeouts begin with a connection. Where those who hold all of them wait, in turn, for one of these
/// transfers, none would ever begin.
struct WaitingTransfers {
    private struct Waiting {
        let transfer: Transfer
        let start: ContinuousClock.Instant
    }

    private static let interval = Duration.milliseconds(500)

    /// For how long none to a host may begin.
    private let patience: Duration
    private var waiting: [ObjectIdentifier: Waiting] = [:]
    /// When one to a host was last seen to begin.
    private var begins: [String: ContinuousClock.Instant] = [:]
    private var nextLook = ContinuousClock.now

    init(patience: Duration) {
        self.patience = patience
    }

    mutating func add(_ transfer: Transfer, at now: ContinuousClock.Instant) {
        waiting[ObjectIdentifier(transfer)] = Waiting(transfer: transfer, start: now)
    }

    /// Forgets one that has ended.
    mutating func remove(_ transfer: Transfer, at now: ContinuousClock.Instant) {
        guard waiting.removeValue(forKey: ObjectIdentifier(transfer)) != nil, transfer.hasBegun else { return }
        begins[transfer.origin] = now
    }

    /// Forgets and returns those that have waited for too long; looks for them every so often.
    mutating func takeOverdue(at now: ContinuousClock.Instant) -> [Transfer] {
        guard nextLook <= now else { return [] }
        nextLook = now + Self.interval
        for one in waiting.values where one.transfer.hasBegun { remove(one.transfer, at: now) }
        let overdue = waiting.values.filter { isOverdue($0, at: now) }.map(\.transfer)
        for transfer in overdue { remove(transfer, at: now) }
        if waiting.isEmpty { begins = [:] }
        return overdue
    }

    private func isOverdue(_ one: Waiting, at now: ContinuousClock.Instant) -> Bool {
        let request = one.transfer.request
        if let timeout = request.timeout, now - one.start >= timeout { return true }
        return now - max(one.start, begins[one.transfer.origin] ?? one.start) >= patience
    }
}
