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
        let mutex = Mutex<Void>(())
    }

    /// What a lock is for; an id's lock is taken before a key's, never after.
    enum Purpose: Int {
        case key, messageID
    }

    private static let count = 256
    /// How long to wait for another process: a change of one key takes well under a millisecond, so that this one hangs.
    private static let patience = Duration.seconds(10)

    private let file: Descriptor
    private let stripes: [Stripe]

    init(_ file: Descriptor) {
        self.file = file
        stripes = (0..<2 * Self.count).map { _ in Stripe() }
    }

    /// Runs `body` while no other thread or process runs one for the same text.
    func exclusively<Value: Sendable>(
        _ purpose: Purpose, _ text: String, _ body: () throws(StorageError) -> Value
    ) throws(StorageError) -> Value {
        let number = purpose.rawValue * Self.count + Int(Self.hash(text) % UInt64(Self.count))
        return try stripes[number].mutex.withLock { _ throws(StorageError) in
            try lock(number)
            // Nothing can be done where unlocking fails, and it can't while the file is open.
            defer { cfiles_unlock(file.number, number) }
            return try body()
        }
    }

    private func lock(_ number: Int) throws(StorageError) {
        let start = ContinuousClock.now
        var pause: UInt32 = 20
        while cfiles_lock(file.number, number) != 0 {
            guard errno == EAGAIN || errno == EINTR else { throw .system("locking a key") }
            guard ContinuousClock.now - start < Self.patience else {
                throw StorageError(.unavailable, "another process has held the key's lock for \(Self.patience)")
            }
            usleep(pause)
            pause = min(2 * pause, 2000)
        }
    }

    /// FNV-1a: every process has to come to the same, which Swift's own hashes do not.
    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
