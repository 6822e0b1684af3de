import Storage
import Synchronization

/// Tells watchers of the changes that are made through a layer, those of each key in their order.
///
/// A write during which no other write of its key was under way is told as it ended. Where writes overlap nobody knows
/// which came last, so each tells what is there when it has ended, one after the other.
final class Announcer: Sendable {
    /// What a write did.
    enum Outcome: Sendable {
        case changed(StoreChange)
        case nothing
        /// It may have changed something, perhaps this.
        case unknown(StoreChange?)

        var change: StoreChange? {
            switch self {
            case .changed(let change): change
            case .nothing: nil
            case .unknown(let change): change
            }
        }
    }

    private struct Activity {
        var writers = 0
        var areOverlapping = false

        mutating func begin() {
            writers += 1
            if writers > 1 { areOverlapping = true }
        }
    }

    /// Which keys are being written, of those that belong here by their hashes.
    private final class Shard: Sendable {
        let activities = Mutex(Activities())
    }

    private struct Activities {
        private var activities: [ObjectKey: Activity] = [:]

        mutating func begin(_ key: ObjectKey) {
            activities[key, default: Activity()].begin()
        }

        func isAlone(_ key: ObjectKey) -> Bool { activities[key]?.areOverlapping == false }

        mutating func leave(_ key: ObjectKey) {
            guard let index = activities.index(forKey: key) else { return }
            activities.values[index].writers -= 1
            if activities.values[index].writers == 0 { activities.remove(at: index) }
        }
    }

    private struct Lossless {
        let query: WatchQuery
        weak var buffer: ChangeBuffer?
    }

    private struct State {
        var lossless: [Lossless] = []
        var isFinished = false
    }

    private let base: any Store
    private let hub = ChangeHub()
    private let shards: [Shard]
    private let state = Mutex(State())
    private let turns = KeyLocks()

    init(_ base: any Store, shards: Int) {
        self.base = base
        self.shards = (0..<max(1, shards)).map { _ in Shard() }
    }

    var isFinished: Bool { state.withLock { $0.isFinished } }

    /// How many changes were dropped that a watcher did not read in time.
    var dropped: Int { hub.dropped }

    private func shard(_ key: ObjectKey) -> Shard {
        shards.count == 1 ? shards[0] : shards[Int(UInt(bitPattern: key.hashValue) % UInt(shards.count))]
    }

    // MARK: Watchers

    func subscribe(_ query: WatchQuery, _ overflow: ObserveOptions.Overflow) -> Subscription {
        guard overflow == .block else { return .dropping(hub.watch(query)) }
        let buffer = ChangeBuffer(capacity: query.capacity)
        let isFinished = state.withLock { state in
            state.lossless.removeAll { $0.buffer == nil }
            state.lossless.append(Lossless(query: query, buffer: buffer))
            return state.isFinished
        }
        if isFinished { buffer.finish() }
        return .lossless(LosslessReader(buffer))
    }

    func finish() {
        let buffers = state.withLock { state in
            state.isFinished = true
            defer { state.lossless = [] }
            return state.lossless.compactMap(\.buffer)
        }
        buffers.forEach { $0.finish() }
        hub.finish()
    }

    // MARK: Changes

    /// Runs a write and tells of its change.
    func announce<Value: Sendable>(
        _ key: ObjectKey, _ afterWrite: (@Sendable (StoreChange) async -> Void)?,
        _ write: () async throws(StorageError) -> (Value, Outcome)
    ) async throws(StorageError) -> Value {
        let shard = shard(key)
        shard.activities.withLock { $0.begin(key) }
        let (value, outcome): (Value, Outcome)
        do throws(StorageError) {
            (value, outcome) = try await write()
        } catch {
            // Refused, nothing has changed; otherwise who knows.
            await end(key, shard, [.transient, .fatal].contains(error.errorClass) ? .unknown(nil) : .nothing)
            throw error
        }
        await end(key, shard, outcome)
        if let change = outcome.change, let afterWrite { await afterWrite(change) }
        return value
    }

    private func end(_ key: ObjectKey, _ shard: Shard, _ outcome: Outcome) async {
        let isAnnounced = shard.activities.withLock { activities in
            var isInOrder = activities.isAlone(key)
            if case .unknown = outcome { isInOrder = false }
            if case .nothing = outcome { isInOrder = true }
            guard isInOrder || !isWatched else { return false }
            // Told under the lock: no other write of the key begins before.
            if case .changed(let change) = outcome { send(change) }
            activities.leave(key)
            return true
        }
        if !isAnnounced {
            // What it runs does not throw.
            try? await turns.withLock(key) { await announceWhatIsThere(key, shard) }
            shard.activities.withLock { $0.leave(key) }
        }
        await waitForRoom(key)
    }

    private var isWatched: Bool {
        hub.isWatched || state.withLock { state in state.lossless.contains { $0.buffer != nil } }
    }

    private func announceWhatIsThere(_ key: ObjectKey, _ shard: Shard) async {
        // Cancelled or not: who watches has to hear of it.
        let change = await Task { await whatIsThere(key) }.value
        shard.activities.withLock { _ in send(change) }
    }

    private func whatIsThere(_ key: ObjectKey) async -> StoreChange {
        do throws(StorageError) {
            return .put(try await base.info(key))
        } catch {
            // Not to be known: the watchers must look for themselves.
            return error.kind == .notFound ? .deleted(key) : .lagged(dropped: 1)
        }
    }

    private func send(_ change: StoreChange) {
        hub.send(change)
        state.withLock { state in
            for watcher in state.lossless where change.key.map(watcher.query.admits) ?? true {
                watcher.buffer?.append(change)
            }
        }
    }

    private func waitForRoom(_ key: ObjectKey) async {
        let buffers = state.withLock { state in
            state.lossless.compactMap { $0.query.admits(key) ? $0.buffer : nil }
        }
        for buffer in buffers { await buffer.room() }
    }
}

/// One watcher's side of its changes; letting go of it ends them.
enum Subscription: Sendable {
    case dropping(ChangeQueue)
    case lossless(LosslessReader)

    var changes: StoreChanges {
        switch self {
        case .dropping(let queue): queue.changes
        case .lossless: StoreChanges { () async throws(StorageError) in try await self.next() }
        }
    }

    func next() async throws(StorageError) -> StoreChange? {
        switch self {
        case .dropping(let queue):
            let iterator = queue.changes.makeAsyncIterator()
            return try await iterator.next()
        case .lossless(let reader): return try await reader.buffer.next()
        }
    }
}

/// Frees those who wait to send when the watcher is gone: they hold the buffer themselves.
final class LosslessReader: Sendable {
    let buffer: ChangeBuffer

    init(_ buffer: ChangeBuffer) {
        self.buffer = buffer
    }

    deinit {
        buffer.finish()
    }
}
