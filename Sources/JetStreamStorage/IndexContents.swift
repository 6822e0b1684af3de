import FoundationEssentials
import NATS
import Storage
import Synchronization
import Waiting

/// What an index knows of a bucket, and who waits for it to know more.
final class IndexContents: Sendable {
    enum Phase: Sendable {
        /// Nobody feeds it.
        case idle
        /// It does not hold everything yet.
        case building
        /// It holds everything up to the last message that was applied.
        case live
        /// There are more objects than it may hold: it holds none.
        case tooLarge
        /// It will never hold more than it does.
        case ended
    }

    /// A class, since a table of so many has room for twice as many.
    private final class Entry: Sendable {
        let meta: StoredMeta

        init(_ meta: StoredMeta) {
            self.meta = meta
        }
    }

    private struct Waiter {
        let sequence: UInt64
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        let maxAge: Duration?
        var phase = Phase.idle
        /// When the stream was created whose messages are here.
        var created: String?
        var order = SortedKeys()
        var entries: [ObjectKey: Entry] = [:]
        var expiries = ExpiryOrder()
        /// The last meta message that was applied.
        var applied: UInt64 = 0
        var received: UInt64 = 0
        var waiters: [WaitNumber: Waiter] = [:]
        var checked = ContinuousClock.now

        mutating func insert(_ meta: StoredMeta) {
            if let old = entries.updateValue(Entry(meta), forKey: meta.key) {
                if let end = end(of: old.meta) { expiries.remove(meta.key, at: end) }
            } else {
                order.insert(meta.key)
            }
            if let end = end(of: meta) { expiries.insert(meta.key, at: end) }
        }

        mutating func remove(_ key: ObjectKey) {
            guard let old = entries.removeValue(forKey: key) else { return }
            if let end = end(of: old.meta) { expiries.remove(key, at: end) }
            order.remove(key)
        }

        /// When the object's time is over, its own or the bucket's.
        private func end(of meta: StoredMeta) -> Date? {
            let aged = maxAge.map { meta.time.addingTimeInterval($0.seconds) }
            guard let expires = meta.meta.expires else { return aged }
            return aged.map { min($0, expires) } ?? expires
        }

        mutating func clear() {
            order = SortedKeys()
            expiries = ExpiryOrder()
            entries = [:]
            applied = 0
        }

        mutating func restart() {
            clear()
            phase = .building
        }

        /// Whether waiting for `sequence` is over.
        func settles(_ sequence: UInt64) -> Bool {
            switch phase {
            case .idle, .building: false
            case .live: applied >= sequence
            case .tooLarge, .ended: true
            }
        }

        mutating func takeSettled() -> [Waiter] {
            guard !waiters.isEmpty else { return [] }
            let settled = waiters.filter { settles($0.value.sequence) }
            for number in settled.keys { waiters[number] = nil }
            return Array(settled.values)
        }
    }

    private let state: Mutex<State>
    private let bucket: Bucket
    private let limit: Int

    init(_ bucket: Bucket, limit: Int) {
        self.bucket = bucket
        self.limit = limit
        state = Mutex(State(maxAge: bucket.maxAge))
    }

    var phase: Phase { state.withLock { $0.phase } }

    /// The last meta message that was applied.
    var applied: UInt64 { state.withLock { $0.applied } }

    /// How many messages came so far, applied or not: whether it grows tells whether a feed is alive.
    var received: UInt64 { state.withLock { $0.received } }

    /// A message came that is to be applied later.
    func noteReceived() { state.withLock { $0.received &+= 1 } }

    /// True for the first caller, who has to feed it then.
    func begin() -> Bool {
        state.withLock { state in
            guard case .idle = state.phase else { return false }
            state.phase = .building
            return true
        }
    }

    /// What is known of `key`; nil where nothing is stored there, or nothing known.
    func entry(_ key: ObjectKey) -> StoredMeta? {
        state.withLock { $0.entries[key]?.meta }
    }

    /// One page of what is there now.
    func page(_ query: ListQuery) -> ListPage {
        let now = Date.now
        return state.withLock { state in
            var builder = ListPageBuilder(query)
            state.order.walk(from: query.lowerBound) { key in
                guard let entry = state.entries[key]?.meta, bucket.holds(entry, at: now) else { return .next }
                return builder.add(key) { entry.info }
            }
            return builder.result
        }
    }

    /// Objects whose own time is over, those first that expired first. Forgets those that the server has dropped for
    /// their age.
    func expired(atMost limit: Int) -> [StoredMeta] {
        let now = Date.now
        return state.withLock { state in
            state.expiries.due(at: now, atMost: limit).compactMap { key in
                guard let entry = state.entries[key]?.meta else { return nil }
                if entry.isExpired(at: now) { return entry }
                state.remove(key)
                return nil
            }
        }
    }

    /// Takes a meta message that the feed gave, or one that was fetched since: there is nothing to add that to while the
    /// index is built.
    func apply(_ message: StoredMessage, isFetched: Bool = false) {
        // Other programs may use names that are no keys.
        let key = bucket.format.key(ofMeta: message.subject)
        let meta = key.flatMap { try? StoredMeta(message, key: $0) }
        change { state in
            state.received &+= 1
            guard state.phase == .live || state.phase == .building && !isFetched, message.sequence > state.applied
            else { return }
            state.applied = message.sequence
            guard let key else { return }
            if let known = state.entries[key]?.meta, known.sequence > message.sequence { return }
            guard let meta, !meta.meta.isDeleted else { return state.remove(key) }
            state.insert(meta)
            if state.entries.count > limit {
                state.clear()
                state.phase = .tooLarge
            }
        }
    }

    /// Takes what a write of this process stored, before the feed brings it.
    func learn(_ meta: StoredMeta) {
        state.withLock { state in
            guard case .live = state.phase, meta.sequence > state.applied else { return }
            if let known = state.entries[meta.key]?.meta, known.sequence > meta.sequence { return }
            state.insert(meta)
        }
    }

    /// Takes what the server told of `key`, unless more is known since `known` was.
    ///
    /// - Parameter applied: the last message that was applied before the server was asked.
    /// - Returns: false where it can't be told whether what was applied since has removed it again.
    func correct(_ key: ObjectKey, from known: StoredMeta?, to found: StoredMeta?, since applied: UInt64) -> Bool {
        state.withLock { state in
            guard state.phase == .live, state.entries[key]?.meta.sequence == known?.sequence else { return true }
            guard let found, !found.meta.isDeleted else {
                state.remove(key)
                return true
            }
            guard known != nil || found.sequence > state.applied || state.applied == applied else { return false }
            state.insert(found)
            return true
        }
    }

    /// Forgets entries up to `last` that are not among `present`.
    func forget(upTo last: UInt64, except present: Set<UInt64>) {
        state.withLock { state in
            guard case .live = state.phase else { return }
            let gone = state.entries.filter {
                $0.value.meta.sequence <= last && !present.contains($0.value.meta.sequence)
            }
            for key in gone.keys { state.remove(key) }
        }
    }

    /// Everything is here that a stream of this time held.
    func becomeLive(created: String?) {
        change { state in
            guard case .building = state.phase else { return }
            state.phase = .live
            state.created = created
        }
    }

    /// The bucket was made anew.
    func restart() {
        change { $0.restart() }
    }

    /// Begins anew where it holds what a stream of another time held; whether it did.
    func restart(ifOutdatedBy created: String) -> Bool {
        state.withLock { state in
            guard state.phase == .live, let known = state.created, known != created else { return false }
            state.restart()
            return true
        }
    }

    func end() {
        change { state in
            guard state.phase == .building || state.phase == .live else { return }
            state.clear()
            state.phase = .ended
        }
    }

    /// True once in each `interval`.
    func mustCheck(every interval: Duration) -> Bool {
        state.withLock { state in
            guard state.checked + interval < .now else { return false }
            state.checked = .now
            return true
        }
    }

    /// Waits until the message `sequence` was applied, until that can't be any more, or for `timeout`.
    func wait(for sequence: UInt64, timeout: Duration) async {
        let number = WaitNumber()
        let timer = Timeouts.shared.schedule(after: timeout) { self.giveUp(number) }
        defer { Timeouts.shared.cancel(timer) }
        await untilResumed { continuation in
            state.withLock { state -> Void? in
                if state.settles(sequence) || Task.isCancelled { return () }
                state.waiters[number] = Waiter(sequence: sequence, continuation: continuation)
                return nil
            }
        } onCancel: {
            giveUp(number)
        }
    }

    private func giveUp(_ number: WaitNumber) {
        state.withLock { $0.waiters.removeValue(forKey: number) }?.continuation.resume()
    }

    private func change(_ body: (inout State) -> Void) {
        let settled = state.withLock { state in
            body(&state)
            return state.takeSettled()
        }
        for waiter in settled { waiter.continuation.resume() }
    }
}
