import Storage

/// One writer at a time for each key of an instance, in the order of asking: so events of a key tell its changes in
/// the order in which they took effect.
actor KeyLocks {
    private var waiting: [ObjectKey: [CheckedContinuation<Void, Never>]] = [:]

    func lock(_ key: ObjectKey) async {
        guard waiting[key] != nil else {
            waiting[key] = []
            return
        }
        await withCheckedContinuation { waiting[key, default: []].append($0) }
    }

    func unlock(_ key: ObjectKey) {
        guard var queue = waiting[key], !queue.isEmpty else {
            waiting[key] = nil
            return
        }
        let next = queue.removeFirst()
        waiting[key] = queue
        next.resume()
    }

    nonisolated func withLock<Value: Sendable>(
        _ key: ObjectKey, _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        await lock(key)
        do throws(StorageError) {
            let value = try await body()
            await unlock(key)
            return value
        } catch {
            await unlock(key)
            throw error
        }
    }
}
