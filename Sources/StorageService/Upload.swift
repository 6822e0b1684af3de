import Storage
import StorageWire

/// One upload: parts come in, a put pulls them out. At most `window` parts are in memory: a part is answered when the
/// put has taken it.
actor Upload {
    static let window = 8

    private enum Ending {
        case committed(Digest?)
        case failed(StorageError)
    }

    let key: ObjectKey
    private let maxSize: Int
    private var parts: [Int: [UInt8]] = [:]
    /// The number of the next part that the put takes.
    private var next = 1
    private var size = 0
    private var ending: Ending?
    private var puller: CheckedContinuation<Void, Never>?
    private var senders: [Int: [CheckedContinuation<Void, Never>]] = [:]
    private var lastActivity = ContinuousClock.now
    private var result: Result<ObjectInfo, StorageError>?
    private var resultWaiters: [CheckedContinuation<Void, Never>] = []

    init(key: ObjectKey, maxSize: Int) {
        self.key = key
        self.maxSize = maxSize
    }

    // MARK: What the put does

    nonisolated var body: ObjectBody {
        let digest = TrailingDigest()
        return ObjectBody(size: nil, trailingDigest: { digest.value }) { () async throws(StorageError) in
            try await self.pull(digest)
        }
    }

    private func pull(_ digest: TrailingDigest) async throws(StorageError) -> [UInt8]? {
        while true {
            if case .failed(let error)? = ending { throw error }
            if let part = parts.removeValue(forKey: next) {
                senders.removeValue(forKey: next)?.forEach { $0.resume() }
                next += 1
                return part
            }
            if case .committed(let expected)? = ending {
                digest.value = expected
                return nil
            }
            await withCheckedContinuation { puller = $0 }
        }
    }

    func end(_ result: Result<ObjectInfo, StorageError>) {
        self.result = result
        if case .failure(let error) = result { fail(error) }
        resultWaiters.forEach { $0.resume() }
        resultWaiters = []
    }

    // MARK: What the sender does

    /// Takes a part; returns when the put has it. A part that came before is fine.
    func receive(_ number: Int, _ bytes: [UInt8]) async throws(StorageError) {
        lastActivity = .now
        if case .failed(let error)? = ending { throw error }
        guard number >= next else { return }
        guard ending == nil else { throw StorageError(.invalid, "part \(number) comes after the commit") }
        guard number < next + Self.window else {
            throw StorageError(
                .invalid, "part \(number) is outside of the window: parts \(next)…\(next + Self.window - 1) are due")
        }
        if parts[number] == nil {
            guard size + bytes.count <= maxSize else {
                let error = StorageError(.tooLarge, "the upload is over the instance's limit of \(maxSize) bytes")
                fail(error)
                throw error
            }
            size += bytes.count
            parts[number] = bytes
            wakePut()
        }
        await withCheckedContinuation { senders[number, default: []].append($0) }
        if case .failed(let error)? = ending, number >= next { throw error }
    }

    /// Ends the parts and waits for the object; the same commit again gives the same answer.
    func commit(_ digest: Digest?) async throws(StorageError) -> ObjectInfo {
        lastActivity = .now
        if ending == nil {
            if let gap = (next..<next + Self.window).first(where: { parts[$0] == nil }), !parts.isEmpty,
                parts.keys.contains(where: { $0 > gap })
            {
                throw StorageError(.invalid, "part \(gap) is missing")
            }
            ending = .committed(digest)
            wakePut()
        }
        while result == nil { await withCheckedContinuation { resultWaiters.append($0) } }
        switch result {
        case .success(let info)?: return info
        case .failure(let error)?: throw error
        case nil: throw StorageError(.internal, "an upload ended without a result")
        }
    }

    /// Whether its sender has been silent since `deadline`; a commit under way is not silence.
    func isIdle(since deadline: ContinuousClock.Instant) -> Bool {
        if case .committed? = ending, result == nil { return false }
        return lastActivity < deadline
    }

    /// Gives the upload up: the put throws and leaves nothing.
    func fail(_ error: StorageError) {
        if case .failed? = ending { return }
        ending = .failed(error)
        parts = [:]
        senders.values.joined().forEach { $0.resume() }
        senders = [:]
        wakePut()
    }

    private func wakePut() {
        puller?.resume()
        puller = nil
    }
}
