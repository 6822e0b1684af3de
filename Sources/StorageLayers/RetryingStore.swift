public import Storage
import Synchronization

/// A layer that tries again what failed for the moment: with full-jitter backoff, and a budget for all operations.
///
/// Which errors those are the store beneath decides (class transient); what was cancelled is never tried again. The body
/// of a get goes on where it broke, in the same version.
///
/// A write whose acknowledgement was lost may have happened. Where the store beneath knows message ids, each put has
/// one, so that it happens once whatever is lost. Otherwise a put without a precondition may happen twice, and of a
/// write with one, which then finds its version gone, the first error is thrown: it says that the write may have
/// happened. A put is tried again only as long as its body can be had again: see ``RetryOptions/replayLimit``. A delete
/// whose acknowledgement was lost says that nothing was there.
public final class RetryingStore: StoreLayer {
    private let base: any Store
    private let options: RetryOptions
    private let clock: LayerClock
    private let backoff: Backoff
    private let givesIDs: Bool
    private let idPrefix = "retry-" + String(UInt64.random(in: 0 ... .max), radix: 36) + "-"
    private let lastID = Atomic(0)

    /// `base`, tried again by `options`.
    public convenience init(_ base: any Store, _ options: RetryOptions = RetryOptions()) {
        self.init(base, options, clock: .real)
    }

    package init(_ base: any Store, _ options: RetryOptions, clock: LayerClock) {
        self.base = base
        self.options = options
        self.clock = clock
        backoff = Backoff(
            maxAttempts: options.maxAttempts, base: options.baseDelay, longest: options.maxDelay, budget: options.budget
        )
        givesIDs = base.capabilities.contains(.messageID)
    }

    /// How often an operation, or the body of a get, was tried again.
    public var retries: Int { backoff.retries }

    public var capabilities: Capabilities { base.capabilities }

    public var beneath: [any Store] { [base] }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            let replayable = try await ReplayableBody(body, gathering: self.options.replayLimit)
            var once = options
            if once.messageID == nil, givesIDs { once.messageID = nextID() }
            let options = once
            return try await retryWrite(options.precondition, isReplayable: { replayable.isWhole }) {
                () async throws(StorageError) in
                try await base.put(key, replayable.body, options: options)
            }
        } catch {
            throw error.during(.put, key: key)
        }
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        var object = try await retry { () async throws(StorageError) in try await base.get(key, options: options) }
        guard object.body.bytesAtHand == nil else { return object }
        let pinned = object.info.version
        let resuming = ResumingBody(object, verify: options.verify, clock: clock) { [self] attempt, error in
            delay(after: attempt, error)
        } open: { [base] (range) async throws(StorageError) in
            try await base.get(key, options: GetOptions(range: range, ifMatch: pinned, verify: false)).body
        }
        object.body = ObjectBody(size: object.body.size) { () async throws(StorageError) in try await resuming.next() }
        return object
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await retry { () async throws(StorageError) in try await base.info(key, options: options) }
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await retryWrite(options.precondition) { () async throws(StorageError) in
            try await base.delete(key, options: options)
        }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try await retry { () async throws(StorageError) in try await base.list(query) }
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await retryWrite(options.precondition) { () async throws(StorageError) in
            try await base.setMetadata(key, attributes, options: options)
        }
    }

    /// Shuts the store beneath down; what waits for its next attempt finds it so.
    public func shutdown() async {
        await base.shutdown()
    }

    private func nextID() -> String {
        idPrefix + String(lastID.add(1, ordering: .relaxed).newValue)
    }

    /// Tries a write with `precondition`, which a lost acknowledgement may make fail by itself.
    private func retryWrite<Value>(
        _ precondition: Precondition, isReplayable: () -> Bool = { true },
        _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        var undecided: StorageError?
        return try await retry(isReplayable: isReplayable) { () async throws(StorageError) in
            do throws(StorageError) {
                return try await body()
            } catch {
                if let undecided, error.kind == .preconditionFailed, precondition != .none {
                    throw StorageError.undecided(after: undecided, then: error)
                }
                if error.mayHaveHappened { undecided = error }
                throw error
            }
        }
    }

    private func retry<Value>(
        isReplayable: () -> Bool = { true }, _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        var attempt = 1
        while true {
            do throws(StorageError) {
                let value = try await body()
                backoff.succeeded()
                return value
            } catch {
                guard isReplayable(), let wait = delay(after: attempt, error) else { throw error }
                attempt += 1
                try await clock.sleep(wait)
            }
        }
    }

    /// How long to wait before another attempt; nil: give up.
    private func delay(after attempt: Int, _ error: StorageError) -> Duration? {
        guard error.errorClass == .transient, error.kind != .cancelled,
            error.retryAfter ?? .zero <= options.maxDelay
        else { return nil }
        return backoff.delay(after: attempt, asked: error.retryAfter)
    }
}

extension StorageError {
    /// Whether a write that threw it may have happened all the same.
    fileprivate var mayHaveHappened: Bool { kind == .timeout || kind == .unavailable }
}
