import DequeModule
import FoundationEssentials
import NATS
public import Storage

extension JetStreamStore: WatchableStore {
    /// What changes in the bucket, whoever changes it. What is not read waits at the server.
    ///
    /// A bucket that is deleted and made again while it is watched is told as `StoreChange.lagged`.
    /// Servers before 2.10 take one more request for each change.
    public func watch(_ query: WatchQuery) async throws(StorageError) -> StoreChanges {
        do throws(StorageError) {
            try query.validate()
            let last = try await bucket.lastSequence()
            let watcher = Watcher(self, query, last: query.start == .now ? last : 0)
            return StoreChanges { () async throws(StorageError) in try await watcher.next() }
        } catch {
            throw error.during(.watch)
        }
    }
}

/// The one reader of a watch.
private actor Watcher {
    private let store: JetStreamStore
    private let query: WatchQuery
    private var consumer: OrderedConsumer
    /// The last meta message that was read.
    private var applied: UInt64
    private var isCaughtUp: Bool
    private var changes: Deque<StoreChange> = []
    private var isReading = false
    private var bucket: Bucket { store.bucket }

    init(_ store: JetStreamStore, _ query: WatchQuery, last: UInt64) {
        self.store = store
        self.query = query
        applied = last
        isCaughtUp = query.start == .now
        let bucket = store.bucket
        consumer = bucket.control.orderedConsumer(
            bucket.format.stream, filter: bucket.format.allMeta, startSequence: last + 1)
    }

    func next() async throws(StorageError) -> StoreChange? {
        guard !isReading else {
            throw StorageError(.invalid, "a watch has one reader at a time", operation: .watch)
        }
        isReading = true
        defer { isReading = false }
        do throws(StorageError) {
            while !store.isShutDown {
                if let change = changes.popFirst() { return change }
                if Task.isCancelled { throw StorageError.cancelled }
                if bucket.followsReliably { try await follow() } else { try await fetch() }
            }
        } catch {
            if !store.isShutDown { throw error.during(.watch) }
        }
        return nil
    }

    /// Takes what the server's consumer gives.
    private func follow() async throws(StorageError) {
        switch try await event() {
        case .message(let message): take(message)
        case .caughtUp: catchUp()
        case .restarted: restart()
        case .idle: break
        }
    }

    /// Asks for what is newer; where nothing is, the consumer tells when to ask again. See ``Bucket/followsReliably``.
    private func fetch() async throws(StorageError) {
        if let newer = try await newer() { return take(newer) }
        catchUp()
        while true {
            switch try await event() {
            case .message(let message) where message.sequence <= applied: continue
            case .restarted: restart()
            case .message, .caughtUp, .idle: break
            }
            return
        }
    }

    private func newer() async throws(StorageError) -> StoredMessage? {
        do throws(StorageError) {
            return try await bucket.metaMessage(from: applied + 1)
        } catch {
            // What was asked when the connection broke is not answered.
            guard error.kind == .timeout else { throw error }
            return try await bucket.metaMessage(from: applied + 1)
        }
    }

    private func event() async throws(StorageError) -> OrderedConsumer.Event {
        var reader = consumer
        do throws(NATSError) {
            let event = try await reader.next()
            consumer = reader
            return event
        } catch {
            consumer = reader
            throw StorageError(error, bucket: bucket.name)
        }
    }

    private func take(_ message: StoredMessage) {
        applied = message.sequence
        guard let key = bucket.format.key(ofMeta: message.subject), query.admits(key),
            let stored = try? StoredMeta(message, key: key)
        else { return }
        if bucket.holds(stored, at: .now) {
            changes.append(.put(stored.info))
        } else if isCaughtUp {
            changes.append(stored.meta.expires == nil ? .deleted(key) : .expired(key))
        }
    }

    private func catchUp() {
        guard !isCaughtUp else { return }
        isCaughtUp = true
        changes.append(.caughtUp)
    }

    private func restart() {
        applied = 0
        changes.append(.lagged(dropped: 1))
    }
}
