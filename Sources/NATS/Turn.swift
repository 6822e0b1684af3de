import Glibc
import Synchronization

/// Held by one thread at a time, which may take it again.
final class Turn: Sendable {
    private let mutex = Mutex(())
    private let holder = Atomic<UInt>(0)

    /// Whether this thread has it.
    var isMine: Bool { holder.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// Waits for it; `body` has it.
    func take(_ body: () -> Void) {
        if isMine { return body() }
        mutex.withLock { _ in asHolder(body) }
    }

    /// The same where nobody has it; false: somebody has.
    func takeIfFree(_ body: () -> Void) -> Bool {
        mutex.withLockIfAvailable { _ in
            asHolder(body)
            return true
        } ?? false
    }

    private func asHolder(_ body: () -> Void) {
        holder.store(UInt(pthread_self()), ordering: .relaxed)
        body()
        holder.store(0, ordering: .relaxed)
    }
}
