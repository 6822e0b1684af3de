import Storage
import Synchronization

/// One flush of the file system for all who wait for one.
///
/// Who comes while a flush runs waits for the next: what was written before the call is on the disk when it returns.
final class GroupCommit: Sendable {
    private typealias Waiter = CheckedContinuation<Result<Void, StorageError>, Never>

    private struct State {
        var isRunning = false
        var waiters: [Waiter] = []
    }

    private let state = Mutex(State())
    private let folder: Descriptor
    private let threads: IOThreads

    init(_ folder: Descriptor, _ threads: IOThreads) {
        self.folder = folder
        self.threads = threads
    }

    /// Waits until everything written before is on the disk. Not cut short by cancellation.
    func flush() async throws(StorageError) {
        let result = await withCheckedContinuation { continuation in
            let starts = state.withLock { state in
                state.waiters.append(continuation)
                defer { state.isRunning = true }
                return !state.isRunning
            }
            // Unstructured: it flushes for the others who wait too, whatever becomes of this caller.
            if starts { Task { await runWhileWanted() } }
        }
        try result.get()
    }

    private func runWhileWanted() async {
        while true {
            let waiters = state.withLock { state in
                defer { state.waiters = [] }
                state.isRunning = !state.waiters.isEmpty
                return state.waiters
            }
            if waiters.isEmpty { return }
            let folder = folder
            let result: Result<Void, StorageError>
            do throws(StorageError) {
                try await threads.run { () throws(StorageError) in try folder.syncFileSystem() }
                result = .success(())
            } catch {
                result = .failure(error)
            }
            waiters.forEach { $0.resume(returning: result) }
        }
    }
}
