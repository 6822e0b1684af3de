import DequeModule
import Synchronization

/// One holder at a time for each key, in the order of asking.
package final class KeyLocks: Sendable {
    private typealias Queue = Deque<CheckedContinuation<Void, Never>>

    /// Who waits for each key that is held.
    private let waiting = Mutex<[ObjectKey: Queue]>([:])

    package init() {}

    package func withLock<Value: Sendable>(
        _ key: ObjectKey, _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        await lock(key)
        defer { unlock(key) }
        return try await body()
    }

    /// Whether somebody holds `key` right now.
    package func isHeld(_ key: ObjectKey) -> Bool { waiting.withLock { $0[key] != nil } }

    private func lock(_ key: ObjectKey) async {
        if take(key) { return }
        await withCheckedContinuation { continuation in
            let isFree = waiting.withLock { waiting in
                guard waiting[key] != nil else {
                    waiting[key] = []
                    return true
                }
                waiting[key]?.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    private func take(_ key: ObjectKey) -> Bool {
        waiting.withLock { waiting in
            guard waiting[key] == nil else { return false }
            waiting[key] = []
            return true
        }
    }

    private func unlock(_ key: ObjectKey) {
        let next = waiting.withLock { waiting -> CheckedContinuation<Void, Never>? in
            if let next = waiting[key]?.popFirst() { return next }
            waiting[key] = nil
            return nil
        }
        next?.resume()
    }
}
