import Storage
import StorageWire
import Synchronization

/// One upload: parts come in, a put pulls them out. At most `window` parts are in memory: a part is answered when the
/// put has taken it.
///
/// Parts and the commit are taken in at once, in the order in which they came; what waits is apart from that.
final class Upload: Sendable {
    static let window = 8
    /// How long the end of the body waits for its turn among the key's writers. Not for ever: one of them may wait for
    /// what this very put holds, a permit of a layer for example.
    private static let patience: Duration = .seconds(2)

    private enum Ending {
        case committed(Digest?)
        case failed(StorageError)
    }

    private struct Part {
        let bytes: [UInt8]
        /// That the put has it, or never will.
        let taken = Occasion()
    }

    private struct State {
        var parts: [Int: Part] = [:]
        /// The number of the next part that the put takes.
        var next = 1
        /// The highest number of a part that belongs to the upload, be it that it was too large.
        var last = 0
        var size = 0
        var ending: Ending?
        /// What the put waits for.
        var news: Occasion?
        /// Requests that wait.
        var waiting = 0
        var lastActivity = ContinuousClock.now
        var result: Result<ObjectInfo, StorageError>?
        /// The key's, from the end of the body on.
        var hold: KeyLocks.Hold?

        var failure: StorageError? {
            if case .failed(let error)? = ending { error } else { nil }
        }

        /// What has to be told of the failure.
        mutating func fail(_ error: StorageError) -> [Occasion] {
            guard failure == nil, result == nil else { return [] }
            ending = .failed(error)
            defer { parts = [:] }
            return parts.values.map(\.taken) + [news.take()].compactMap { $0 }
        }
    }

    let key: ObjectKey
    private let maxSize: Int
    private let maxPartSize: Int
    private let locks: KeyLocks
    private let state = Mutex(State())
    private let ended = Occasion()

    init(key: ObjectKey, maxSize: Int, maxPartSize: Int, locks: KeyLocks) {
        self.key = key
        self.maxSize = maxSize
        self.maxPartSize = maxPartSize
        self.locks = locks
    }

    /// Why it fails, once that is known.
    var failure: StorageError? { state.withLock { $0.failure } }

    // MARK: What the put does

    var body: ObjectBody {
        let digest = TrailingDigest()
        return ObjectBody(size: nil, trailingDigest: { digest.value }) { () async throws(StorageError) in
            try await self.pull(digest)
        }
    }

    private enum Step {
        case part(Part)
        case end(Digest?)
        case failed(StorageError)
        case wait(Occasion)
    }

    private func pull(_ digest: TrailingDigest) async throws(StorageError) -> [UInt8]? {
        while true {
            switch step() {
            case .part(let part):
                part.taken.happen()
                return part.bytes
            case .end(let expected):
                digest.value = expected
                let hold = await locks.hold(key, within: Self.patience)
                state.withLock { $0.hold = hold }
                return nil
            case .failed(let error): throw error
            case .wait(let news):
                await news.wait()
                if Task.isCancelled { throw failure ?? .cancelled }
            }
        }
    }

    private func step() -> Step {
        state.withLock { state in
            if let error = state.failure { return .failed(error) }
            if let part = state.parts.removeValue(forKey: state.next) {
                state.next += 1
                state.lastActivity = .now
                return .part(part)
            }
            if case .committed(let expected)? = state.ending { return .end(expected) }
            let news = Occasion()
            state.news = news
            return .wait(news)
        }
    }

    /// The put has ended; `report` says so to the world, in the key's order.
    func end(
        _ result: Result<ObjectInfo, StorageError>, _ report: (Result<ObjectInfo, StorageError>) -> Void
    ) async {
        if let hold = state.withLock({ $0.hold.take() }) {
            report(result)
            hold.release()
        } else {
            // What it runs does not throw.
            try? await locks.withLock(key) { report(result) }
        }
        let occasions = state.withLock { state -> [Occasion] in
            defer { state.result = result }
            guard case .failure(let error) = result else {
                // Also where it was given up too late.
                state.ending = .committed(nil)
                return []
            }
            return state.fail(error)
        }
        occasions.forEach { $0.happen() }
        ended.happen()
    }

    // MARK: What the sender does

    /// Takes a part in; gives what to wait for until the put has it, nil where it has. A part that came before is fine.
    func receive(_ number: Int, _ bytes: [UInt8]) throws(StorageError) -> Occasion? {
        let (outcome, occasions) = state.withLock { state -> (Result<Occasion?, StorageError>, [Occasion]) in
            state.lastActivity = .now
            if let error = state.failure { return (.failure(error), []) }
            if number < state.next { return (.success(nil), []) }
            if let part = state.parts[number] { return (.success(part.taken), []) }
            if let error = refusal(of: number, bytes, &state) { return (.failure(error), []) }
            guard state.size + bytes.count <= maxSize else {
                let error = StorageError(.tooLarge, "the upload is over the instance's limit of \(maxSize) bytes")
                return (.failure(error), state.fail(error))
            }
            let part = Part(bytes: bytes)
            state.size += bytes.count
            state.parts[number] = part
            state.last = max(state.last, number)
            return (.success(part.taken), [state.news.take()].compactMap { $0 })
        }
        occasions.forEach { $0.happen() }
        return try outcome.get()
    }

    private func refusal(of number: Int, _ bytes: [UInt8], _ state: inout State) -> StorageError? {
        guard state.ending == nil else { return StorageError(.invalid, "part \(number) comes after the commit") }
        guard number < state.next + Self.window else {
            return StorageError(
                .invalid,
                "part \(number) is outside of the window: parts \(state.next)…\(state.next + Self.window - 1) are due")
        }
        guard bytes.count > maxPartSize else { return nil }
        // A commit behind it misses it.
        state.last = max(state.last, number)
        return StorageError(.tooLarge, "a part of \(bytes.count) bytes is over the limit of \(maxPartSize)")
    }

    /// Returns when the put has the part `number`.
    func wait(for number: Int, _ taken: Occasion) async throws(StorageError) {
        await waiting { await taken.wait() }
        let (error, isTaken) = state.withLock { ($0.failure, number < $0.next) }
        guard !isTaken else { return }
        throw error ?? .cancelled
    }

    /// Ends the parts: those that came before it are all there are. The same commit again changes nothing.
    func commit(_ digest: Digest?) throws(StorageError) {
        let news = try state.withLock { (state) throws(StorageError) -> Occasion? in
            state.lastActivity = .now
            guard state.ending == nil else { return nil }
            if state.next <= state.last, let gap = (state.next...state.last).first(where: { state.parts[$0] == nil }) {
                throw StorageError(.invalid, "part \(gap) is missing")
            }
            state.ending = .committed(digest)
            return state.news.take()
        }
        news?.happen()
    }

    /// The object, when it is stored.
    ///
    /// - Parameter digest: what it must hash to, which an earlier commit may not have said.
    func info(_ digest: Digest?) async throws(StorageError) -> ObjectInfo {
        await waiting { await ended.wait() }
        switch state.withLock({ $0.result }) {
        case .success(let info)?:
            guard let digest, let stored = info.digest, digest != stored else { return info }
            throw StorageError(
                .digestMismatch, "the upload is stored, and hashes to \(stored), not \(digest)", key: key.rawValue)
        case .failure(let error)?: throw error
        case nil: throw .cancelled
        }
    }

    private func waiting(_ wait: () async -> Void) async {
        state.withLock { $0.waiting += 1 }
        await wait()
        state.withLock { state in
            state.waiting -= 1
            state.lastActivity = .now
        }
    }

    /// Whether its sender has been silent since `deadline`; one who waits for an answer is not silent.
    func isIdle(since deadline: ContinuousClock.Instant) -> Bool {
        state.withLock { $0.waiting == 0 && $0.lastActivity < deadline }
    }

    /// Gives the upload up: the put throws and leaves nothing, unless it has ended.
    func fail(_ error: StorageError) {
        let occasions = state.withLock { $0.fail(error) }
        occasions.forEach { $0.happen() }
    }

    /// Gives it up unless a commit has come.
    func failUncommitted(_ error: StorageError) {
        let occasions = state.withLock { state in
            if case .committed? = state.ending { return [Occasion]() }
            return state.fail(error)
        }
        occasions.forEach { $0.happen() }
    }
}
