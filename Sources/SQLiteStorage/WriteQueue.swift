import GRDB
import Storage
import Synchronization

/// Changes that wait for the one connection that writes: those that wait together share a transaction, and so the
/// waiting for the disk.
final class WriteQueue: Sendable {
    private struct State {
        var waiting: [any Entry] = []
        var isScheduled = false
        var isClosed = false
    }

    private static let capacity = 16_384
    private static let batch = 256

    private let queue: DatabaseQueue
    private let thread: IOThreads
    private let state = Mutex(State())

    /// - Parameter thread: one thread.
    init(_ queue: DatabaseQueue, _ thread: IOThreads) {
        self.queue = queue
        self.thread = thread
    }

    /// Runs `change` in a transaction and returns when that is committed.
    func write<Value: Sendable>(_ change: @escaping Connections.Change<Value>) async throws(StorageError) -> Value {
        let result = await withUnsafeContinuation {
            (continuation: UnsafeContinuation<Result<Value, StorageError>, Never>) in
            add(Change(change, continuation))
        }
        return try result.get()
    }

    /// Lets end what waits, refuses what comes later, and closes the connection.
    func end() async {
        // What can't be closed now closes with its last user.
        _ = try? await thread.run { [self] () throws(StorageError) in
            state.withLock { $0.isClosed = true }
            do { try queue.close() } catch { throw .database(error) }
        }
    }

    private func add(_ entry: any Entry) {
        let (isTaken, isFirst) = state.withLock { state -> (Bool, Bool) in
            guard state.waiting.count < Self.capacity else { return (false, false) }
            state.waiting.append(entry)
            defer { state.isScheduled = true }
            return (true, !state.isScheduled)
        }
        if !isTaken { entry.finish(StorageError(.unavailable, "too many changes wait for the database; try again")) }
        if isFirst { thread.start { self.work() } }
    }

    private func work() {
        while true {
            let (batch, isClosed) = state.withLock { state -> ([any Entry], Bool) in
                let batch = Array(state.waiting.prefix(Self.batch))
                state.waiting.removeFirst(batch.count)
                if batch.isEmpty { state.isScheduled = false }
                return (batch, state.isClosed)
            }
            if batch.isEmpty { return }
            // Queued just before, by somebody who had found the store open.
            if isClosed {
                for entry in batch { entry.finish(Connections.closed) }
                continue
            }
            let failure = commit(batch)
            // Whose mistake it was shows when each has a transaction of its own.
            if failure != nil && batch.count > 1 {
                for entry in batch { entry.finish(commit([entry])) }
            } else {
                for entry in batch { entry.finish(failure) }
            }
        }
    }

    /// Runs them all in one transaction; why it was taken back, where it was.
    private func commit(_ batch: [any Entry]) -> StorageError? {
        do {
            try queue.writeWithoutTransaction { database in
                try database.transaction {
                    for entry in batch { try entry.run(database) }
                }
            }
            return nil
        } catch {
            return .database(error)
        }
    }
}

/// A change that waits, and whoever waits for it.
private protocol Entry: Sendable {
    /// Keeps what it returns, or a refusal; throws what takes the transaction back.
    func run(_ database: Database) throws
    /// Tells the outcome: the transaction's failure, or what ``run(_:)`` kept.
    func finish(_ failure: StorageError?)
}

private final class Change<Value: Sendable>: Entry {
    private let change: Connections.Change<Value>
    private let continuation: UnsafeContinuation<Result<Value, StorageError>, Never>
    private let result = Mutex<Result<Value, StorageError>?>(nil)

    init(
        _ change: @escaping Connections.Change<Value>,
        _ continuation: UnsafeContinuation<Result<Value, StorageError>, Never>
    ) {
        self.change = change
        self.continuation = continuation
    }

    func run(_ database: Database) throws {
        do {
            let value = try change(database)
            result.withLock { $0 = .success(value) }
        } catch let refusal as StorageError {
            result.withLock { $0 = .failure(refusal) }
        }
    }

    func finish(_ failure: StorageError?) {
        let result = failure.map { .failure($0) } ?? result.withLock { $0 }
        continuation.resume(returning: result ?? .failure(StorageError(.internal, "the change was not made")))
    }
}
