import DequeModule
public import Storage
import Synchronization

/// Locks by path, one holder at a time for each, in the order of asking.
///
/// They keep those apart who use them, within one process: writes through a store do not ask for them, so the holder's
/// own go through. A lock is held by the scope that took it and is not reentrant: who asks for one that it holds waits
/// until its timeout. Nothing remains of a path that nobody holds.
public final class PathLocks: Sendable {
    private struct Waiter {
        let ticket: UInt64
        let owner: String
        let continuation: CheckedContinuation<Result<Void, StorageError>, Never>
    }

    private struct Lock {
        var owner: String
        var waiters: Deque<Waiter> = []
    }

    private struct State {
        var locks: [ObjectKey: Lock] = [:]
        var lastTicket: UInt64 = 0
        /// Why those who ask gave up, or that they did not.
        var asking: [UInt64: StorageError?] = [:]
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
        let ticket = state.withLock { state -> UInt64? in
            guard state.locks[key] != nil else {
                state.locks[key] = Lock(owner: owner)
                return nil
            }
            state.lastTicket += 1
            state.asking.updateValue(nil, forKey: state.lastTicket)
            return state.lastTicket
        }
        guard let ticket else { return }
        defer { state.withLock { _ = $0.asking.removeValue(forKey: ticket) } }
        let timer = timeout.map { timeout in
            Task {
                guard (try? await Task.sleep(for: timeout)) != nil else { return }
                self.giveUp(key, ticket, self.timeout(key, timeout))
            }
        }
        defer { timer?.cancel() }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { wait(key, Waiter(ticket: ticket, owner: owner, continuation: $0)) }
        } onCancel: {
            giveUp(key, ticket, .cancelled)
        }
        try outcome.get()
    }

    private func timeout(_ key: ObjectKey, _ timeout: Duration) -> StorageError {
        let holder = owner(of: key).map { "“\($0)” holds" } ?? "others wait for"
        return StorageError(
            .timeout, "the lock of “\(key)” was not free within \(timeout): \(holder) it", key: key.rawValue)
    }

    private func wait(_ key: ObjectKey, _ waiter: Waiter) {
        let outcome = state.withLock { state -> Result<Void, StorageError>? in
            if case .some(.some(let error)) = state.asking[waiter.ticket] { return .failure(error) }
            guard state.locks[key] != nil else {
                state.locks[key] = Lock(owner: waiter.owner)
                return .success(())
            }
            state.locks[key]?.waiters.append(waiter)
            return nil
        }
        if let outcome { waiter.continuation.resume(returning: outcome) }
    }

    private func giveUp(_ key: ObjectKey, _ ticket: UInt64, _ error: StorageError) {
        let waiter = state.withLock { state -> Waiter? in
            guard let index = state.locks[key]?.waiters.firstIndex(where: { $0.ticket == ticket }) else {
                // Not waiting yet, or not any more.
                if state.asking[ticket] != nil { state.asking.updateValue(error, forKey: ticket) }
                return nil
            }
            return state.locks[key]?.waiters.remove(at: index)
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
