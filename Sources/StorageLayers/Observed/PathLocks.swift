public import Storage
import Synchronization
import Waiting

/// Locks by path, one holder at a time for each, in the order of asking.
///
/// They keep those apart who use them, within one process: writes through a store do not ask for them, so the holder's
/// own go through. A lock is held by the scope that took it and is not reentrant: who asks for one that it holds waits
/// until its timeout. Nothing remains of a path that nobody holds.
public final class PathLocks: Sendable {
    private struct Waiter {
        let owner: String
        let continuation: CheckedContinuation<Result<Void, StorageError>, Never>
    }

    private struct Lock {
        var owner: String
        var waiters = WaitQueue<Waiter>()
    }

    private struct State {
        var locks: [ObjectKey: Lock] = [:]
        /// Why those who ask gave up, or that they did not.
        var asking: [WaitNumber: StorageError?] = [:]
    }

    private let state = Mutex(State())

    /// No locks.
    public init() {}

    /// Who holds the lock of `key`; nil where nobody does.
    public func owner(of key: ObjectKey) -> String? { state.withLock { $0.locks[key]?.owner } }

    /// Holds the lock of `key` while `body` runs.
    ///
    /// - Parameters:
    ///   - owner: who asks; told to those who wait in vain.
    ///   - timeout: how long to wait for the lock; nil: until it is free.
    /// - Throws: `timeout` with the holder's name; `cancelled`; what `body` throws.
    public func withLock<Value: Sendable>(
        _ key: ObjectKey, owner: String, timeout: Duration? = nil,
        _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        try await lock(key, owner, timeout)
        defer { unlock(key) }
        return try await body()
    }

    private func lock(_ key: ObjectKey, _ owner: String, _ timeout: Duration?) async throws(StorageError) {
        if Task.isCancelled { throw .cancelled }
        let number = WaitNumber()
        let mustWait = state.withLock { state in
            guard state.locks[key] != nil else {
                state.locks[key] = Lock(owner: owner)
                return false
            }
            state.asking.updateValue(nil, forKey: number)
            return true
        }
        guard mustWait else { return }
        defer { state.withLock { _ = $0.asking.removeValue(forKey: number) } }
        let timer = timeout.map { timeout in
            Task {
                guard (try? await Task.sleep(for: timeout)) != nil else { return }
                self.giveUp(key, number, self.timeout(key, timeout))
            }
        }
        defer { timer?.cancel() }
        let outcome = await untilResumed {
            wait(key, number, Waiter(owner: owner, continuation: $0))
        } onCancel: {
            giveUp(key, number, .cancelled)
        }
        try outcome.get()
    }

    private func timeout(_ key: ObjectKey, _ timeout: Duration) -> StorageError {
        let holder = owner(of: key).map { "“\($0)” holds" } ?? "others wait for"
        return StorageError(
            .timeout, "the lock of “\(key)” was not free within \(timeout): \(holder) it", key: key.rawValue)
    }

    /// Nil where it waits.
    private func wait(_ key: ObjectKey, _ number: WaitNumber, _ waiter: Waiter) -> Result<Void, StorageError>? {
        state.withLock { state in
            if case .some(.some(let error)) = state.asking[number] { return .failure(error) }
            guard state.locks[key] != nil else {
                state.locks[key] = Lock(owner: waiter.owner)
                return .success(())
            }
            state.locks[key]?.waiters.append(waiter, number)
            return nil
        }
    }

    private func giveUp(_ key: ObjectKey, _ number: WaitNumber, _ error: StorageError) {
        let waiter = state.withLock { state -> Waiter? in
            if let waiter = state.locks[key]?.waiters.remove(number) { return waiter }
            // Not waiting yet, or not any more.
            if state.asking[number] != nil { state.asking.updateValue(error, forKey: number) }
            return nil
        }
        waiter?.continuation.resume(returning: .failure(error))
    }

    private func unlock(_ key: ObjectKey) {
        let next = state.withLock { state -> Waiter? in
            guard let next = state.locks[key]?.waiters.popFirst() else {
                state.locks[key] = nil
                return nil
            }
            state.locks[key]?.owner = next.owner
            return next
        }
        next?.continuation.resume(returning: .success(()))
    }
}
