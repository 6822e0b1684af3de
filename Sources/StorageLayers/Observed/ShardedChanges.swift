public import Storage

extension StoreChanges {
    /// Handles every change, those of different keys beside one another, those of one key in their order.
    ///
    /// A key belongs to one of `shards` by its hash, and each handles one change at a time. What belongs to no key, as
    /// `StoreChange.lagged(dropped:)`, is handled by itself, after all before it and before all behind it.
    /// Each shard keeps at most `buffer` changes waiting; then no more are read, so that the watch's own bounds apply.
    ///
    /// - Returns: when the watch has ended and everything was handled.
    /// - Throws: what the watch or `handle` throws first; what is being handled then is cancelled.
    public func forEach(
        shards: Int = 8, buffer: Int = 64, _ handle: @escaping @Sendable (StoreChange) async throws -> Void
    ) async throws {
        let count = Swift.max(1, shards)
        try await withThrowingTaskGroup(of: Void.self) { group in
            let queues = (0..<count).map { _ in ChangeBuffer(capacity: Swift.max(0, buffer - 1)) }
            let (arrivals, arrive) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(count))
            for queue in queues {
                group.addTask {
                    while let change = try await queue.next() {
                        if change.key != nil { try await handle(change) } else { arrive.yield() }
                    }
                }
            }
            group.addTask {
                defer { queues.forEach { $0.finish() } }
                var arrived = arrivals.makeAsyncIterator()
                for try await change in self {
                    if let key = change.key {
                        let queue = queues[Int(UInt(bitPattern: key.hashValue) % UInt(count))]
                        queue.append(change)
                        await queue.room()
                    } else {
                        queues.forEach { $0.append(change) }
                        // Every shard has come to it.
                        for _ in queues { await arrived.next() }
                        try await handle(change)
                    }
                }
            }
            // The first to fail ends all the others.
            while try await group.next() != nil {}
        }
    }
}
