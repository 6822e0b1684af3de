import NATS
import Storage
import Synchronization

/// The bucket's objects in the order of their keys, kept up to date by the stream itself.
///
/// It begins with the first use. One request tells whether it holds everything that was acknowledged before: then an
/// answer from it is as fresh as the leader's own.
final class LiveIndex: Sendable {
    private let bucket: Bucket
    private let contents: IndexContents
    private let freshness = SharedRounds<Bool>()
    private let feed: FeedTask
    /// How many ask for one key right now.
    private let readers = Atomic(0)
    /// Up to this many readers look up their own key; more share a request that tells whether anything is new.
    private static let ownLookUps = 4
    /// How often a key is looked up whose answer may be older than what the index has taken since.
    private static let attempts = 4

    init(_ bucket: Bucket, limit: Int) {
        self.bucket = bucket
        contents = IndexContents(bucket, limit: limit)
        feed = FeedTask()
    }

    /// Whether it can answer: false where there are more objects than it may hold.
    var isUsable: Bool {
        if case .tooLarge = contents.phase { false } else { true }
    }

    /// What is known of `key` right now, fresh or not.
    func hint(_ key: ObjectKey) -> StoredMeta? { contents.entry(key) }

    /// Whether a missing entry means a missing object, as far as is known right now.
    var isLive: Bool {
        if case .live = contents.phase { true } else { false }
    }

    /// Takes what was stored by this process.
    func learn(_ meta: StoredMeta) { contents.learn(meta) }

    /// A page as it is now; see ``refresh()``.
    func page(_ query: ListQuery) -> ListPage { contents.page(query) }

    /// Objects whose own time is over, those first that expired first.
    func expired(atMost limit: Int) -> [StoredMeta] { contents.expired(atMost: limit) }

    /// What is stored at `key` now, as of some moment after the call: a delete marker, or what has expired, too.
    ///
    /// - Parameter ask: runs first; what it asks for goes out together with what is asked here.
    /// - Throws: what `ask` throws; `internal` where it is not an object's, `timeout` or `unavailable` where the server does not answer.
    func newest(
        _ key: ObjectKey, asking ask: () throws(NATSError) -> Void = {}
    ) async throws(StorageError) -> StoredMeta? {
        let isOneOfFew = readers.wrappingAdd(1, ordering: .relaxed).oldValue < Self.ownLookUps
        defer { readers.wrappingSubtract(1, ordering: .relaxed) }
        if isOneOfFew, !bucket.readsAnyReplica { return try await lookUp(key, asking: ask) }
        do throws(NATSError) { try ask() } catch { throw StorageError(error, bucket: bucket.name) }
        if bucket.readsAnyReplica { return hint(key) }
        let isComplete = try await refresh()
        return if let known = hint(key) { known } else { isComplete ? nil : try await lookUp(key) }
    }

    /// Asks the server, and corrects what the index has: nobody tells of a message that was removed without another in its
    /// place, as other programs do who rename or purge.
    @discardableResult
    func lookUp(
        _ key: ObjectKey, asking ask: () throws(NATSError) -> Void = {}
    ) async throws(StorageError) -> StoredMeta? {
        var found: StoredMeta?
        for attempt in 0..<Self.attempts {
            let (known, applied) = (hint(key), contents.applied)
            let message = try await mapped(bucket.name) { () async throws(NATSError) in
                let asked = try bucket.control.connection.together { () throws(NATSError) in
                    if attempt == 0 { try ask() }
                    return try bucket.startMeta(key)
                }
                return try await bucket.answer(asked, .lastBySubject(bucket.format.meta(of: key)))
            }
            // Mostly it is what is known: then there is nothing to parse.
            if let known, let message, known.isStored(as: message) { return known }
            found = try message.map { message throws(StorageError) in try StoredMeta(message, key: key) }
            if bucket.readsAnyReplica || contents.correct(key, from: known, to: found, since: applied) { break }
        }
        return found
    }

    /// A listing's page, with every object whose put was acknowledged before the call.
    func freshPage(_ query: ListQuery) async throws(StorageError) -> ListPage? {
        if try await !refresh() {
            // A key that was replaced before the feed came to it stands behind what was looked at.
            let deadline = ContinuousClock.now + .milliseconds(200)
            while try await !catchUp(), .now < deadline {}
        }
        // It may have outgrown its limit just now.
        return isUsable ? page(query) : nil
    }

    /// Waits until the index holds every object whose put was acknowledged before the call. False where some were replaced
    /// before the feed came to them. While the index is built this takes as long as the server sends what it holds.
    ///
    /// - Throws: `timeout` or `unavailable` where the server does not answer.
    @discardableResult
    func refresh() async throws(StorageError) -> Bool {
        start()
        if !isLive { try await waitUntilBuilt() }
        return try await freshness.join { () async throws(StorageError) in try await catchUp() }
    }

    private func waitUntilBuilt() async throws(StorageError) {
        while true {
            let received = contents.received
            await contents.wait(for: 0, timeout: bucket.timeout)
            switch contents.phase {
            case .live, .tooLarge: return
            case .ended: throw StorageError(.unavailable, "bucket “\(bucket.name)”: the store is shut down")
            case .idle, .building:
                if Task.isCancelled { throw StorageError.cancelled }
                guard contents.received != received else {
                    throw StorageError(
                        .timeout,
                        "bucket “\(bucket.name)”: nothing came for its index for \(bucket.timeout); try again")
                }
            }
        }
    }

    /// Before a walk through all of the bucket's meta messages; see ``endWalk(_:present:)``.
    func beginWalk() -> UInt64 { contents.applied }

    /// Forgets what had been applied at the beginning of a walk and was not among what it found: it was removed without
    /// another in its place, which no message tells.
    func endWalk(_ begin: UInt64, present: Set<UInt64>) { contents.forget(upTo: begin, except: present) }

    /// Ends the feed; the index ends with it.
    func stop() async {
        await feed.cancel()
        contents.end()
    }

    /// Begins to feed it, the first time.
    func start() {
        if contents.begin() { startFeed() }
    }

    private func startFeed() {
        let (bucket, contents) = (bucket, contents)
        feed.start {
            if bucket.followsReliably {
                await Self.follow(bucket, contents)
            } else {
                await Self.fill(bucket, contents)
            }
        }
    }

    /// Asks what is new behind what was applied; mostly nothing is: true. What came after the call is not waited for.
    private func catchUp() async throws(StorageError) -> Bool {
        guard let newer = try await bucket.metaMessage(from: contents.applied + 1) else {
            // Where a consumer does not tell that the bucket was made anew.
            if !bucket.followsReliably, contents.mustCheck(every: .seconds(1)) {
                try await readAnewIfRemade(await bucket.end().created)
            }
            return true
        }
        // Not the newest meta message: that is a search through all subjects for some servers.
        let end = try await bucket.end()
        if try await readAnewIfRemade(end.created) { return true }
        if bucket.followsReliably { return try await waitForFeed(newer, end.last) }
        return try await fetch(newer, end.last)
    }

    /// A bucket that was deleted and made again counts its messages anew: nothing that is known of it holds. True where
    /// the index was built since.
    @discardableResult
    private func readAnewIfRemade(_ created: String) async throws(StorageError) -> Bool {
        if contents.restart(ifOutdatedBy: created) { startFeed() }
        guard contents.phase == .building else { return false }
        try await waitUntilBuilt()
        return true
    }

    // MARK: Servers whose consumers can be relied on

    /// What the feed does not bring soon is fetched: a consumer may have passed over it.
    private func waitForFeed(_ newer: StoredMessage, _ last: UInt64) async throws(StorageError) -> Bool {
        var newer = newer
        while true {
            await contents.wait(for: newer.sequence, timeout: .milliseconds(500))
            if Task.isCancelled { throw StorageError.cancelled }
            switch contents.phase {
            case .live: break
            case .tooLarge: return true
            case .idle, .building, .ended:
                throw StorageError(.unavailable, "bucket “\(bucket.name)” was made anew just now; try again")
            }
            if contents.applied < newer.sequence { return try await fetch(newer, last) }
            guard let next = try await bucket.metaMessage(from: contents.applied + 1) else { return true }
            if next.sequence > last { return false }
            newer = next
        }
    }

    private static func follow(_ bucket: Bucket, _ contents: IndexContents) async {
        var consumer = bucket.control.orderedConsumer(bucket.format.stream, filter: bucket.format.allMeta)
        reading: while !Task.isCancelled {
            do throws(NATSError) {
                switch try await consumer.next() {
                case .message(let message): contents.apply(message)
                case .caughtUp: contents.becomeLive(created: consumer.created)
                case .restarted: contents.restart()
                // Whoever asked had to fetch what this one passed over.
                case .idle:
                    if contents.applied > consumer.lastSequence { await consumer.resume(after: contents.applied) }
                }
                if case .tooLarge = contents.phase { break reading }
            } catch {
                if error.code == .connectionClosed { break reading }
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
        await consumer.stop()
        if !Task.isCancelled { contents.end() }
    }

    // MARK: Fetching what is new, which is all that can be done with older servers

    private func fetch(_ newer: StoredMessage, _ last: UInt64) async throws(StorageError) -> Bool {
        var newer = newer
        for _ in 0..<Bucket.few {
            contents.apply(newer, isFetched: true)
            if contents.phase == .tooLarge { return true }
            guard let next = try await bucket.metaMessage(from: contents.applied + 1) else { return true }
            if next.sequence > last { return false }
            newer = next
        }
        do throws(StorageError) {
            try await Self.fetchAll(bucket, contents, isFetched: true)
        } catch {
            if contents.phase != .tooLarge { throw error }
        }
        return true
    }

    /// - Throws: `tooLarge`, as soon as there are more objects than the index may hold.
    private static func fetchAll(
        _ bucket: Bucket, _ contents: IndexContents, isFetched: Bool
    ) async throws(StorageError) {
        try await bucket.forEachMeta(from: contents.applied + 1, progress: { contents.noteReceived() }) {
            message throws(StorageError) in
            contents.apply(message, isFetched: isFetched)
            guard contents.phase != .tooLarge else {
                throw StorageError(.tooLarge, "bucket “\(bucket.name)” has more objects than its index may hold")
            }
        }
    }

    private static func fill(_ bucket: Bucket, _ contents: IndexContents) async {
        while !Task.isCancelled {
            do throws(StorageError) {
                let created = try await bucket.end().created
                try await fetchAll(bucket, contents, isFetched: false)
                return contents.becomeLive(created: created)
            } catch {
                if contents.phase == .tooLarge { return }
                if (error.cause as? NATSError)?.code == .connectionClosed { break }
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
        if !Task.isCancelled { contents.end() }
    }
}
