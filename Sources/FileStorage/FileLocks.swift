import CFiles
import Glibc
import Storage
import Synchronization

/// Exclusion of writers of one key, among the threads of this process and among processes.
///
/// Each key belongs to one of 256 locks. Within the process a mutex excludes; among processes the lock of one byte of
/// a file does, held by an open file description: the kernel releases it with the process, however that ends.
final class FileLocks: Sendable {
    private final class Stripe: Sendable {
        /// Since when another process has held the lock, each time that this one tried.
        let heldSince = Mutex<ContinuousClock.Instant?>(nil)
    }

    /// What a lock is for; an id's lock is taken before a key's, never after.
    enum Purpose: Int {
        case key, messageID
    }

    private static let count = 256
    /// How long to wait at the least.
    private static let glance = Duration.milliseconds(100)

    private let file: Descriptor
    private let patience: Duration
    private let stripes: [Stripe]

    /// - Parameter patience: how long to wait for another process, all who wait together: a change of one key takes well
    ///   under a millisecond, so that one hangs which holds its lock for longer.
    init(_ file: Descriptor, patience: Duration = .seconds(10)) {
        self.file = file
        self.patience = patience
        stripes = (0..<2 * Self.count).map { _ in Stripe() }
    }

    /// Runs `body` while no other thread or process runs one for the same text.
    func exclusively<Value: Sendable>(
        _ purpose: Purpose, _ text: String, _ body: () throws(StorageError) -> Value
    ) throws(StorageError) -> Value {
        let number = purpose.rawValue * Self.count + Int(Self.hash(text) % UInt64(Self.count))
        return try stripes[number].heldSince.withLock { heldSince throws(StorageError) in
            try lock(number, &heldSince)
            // Nothing can be done where unlocking fails, and it can't while the file is open.
            defer { cfiles_unlock(file.number, number) }
            return try body()
        }
    }

    private func lock(_ number: Int, _ heldSince: inout ContinuousClock.Instant?) throws(StorageError) {
        let start = ContinuousClock.now
        var pause: UInt32 = 20
        while cfiles_lock(file.number, number) != 0 {
            guard errno == EAGAIN || errno == EINTR else { throw .system("locking a key") }
            // Whoever waited before has waited for this one too: their threads are few, and wanted for other keys.
            let since = heldSince ?? start
            heldSince = since
            guard .now < max(since + patience, start + Self.glance) else {
                throw StorageError(.unavailable, "another process has held the key's lock for \(patience) or longer")
            }
            usleep(pause)
            pause = min(2 * pause, 2000)
        }
        heldSince = nil
    }

    /// FNV-1a: every process has to come to the same, which Swift's own hashes do not.
    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
