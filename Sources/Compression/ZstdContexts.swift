import CZstd
import Synchronization

/// Contexts of libzstd that nobody uses now: to make one takes longer than to decompress a small object.
final class ZstdContexts: Sendable {
    static let encoding = ZstdContexts()
    static let decoding = ZstdContexts()

    private static let most = 16
    private static let mostMemory = 2 << 20

    // As numbers, since a pointer can't pass from one task to another; each is in here or with one coder.
    private let idle = Mutex<[UInt]>([])

    private init() {}

    func take() -> OpaquePointer? {
        idle.withLock { $0.popLast() }.flatMap { OpaquePointer(bitPattern: $0) }
    }

    /// Whether it was taken back; one that has grown large, or is one too many, is the caller's to free.
    func giveBack(_ context: OpaquePointer, size: Int) -> Bool {
        guard size <= Self.mostMemory else { return false }
        return idle.withLock { idle in
            guard idle.count < Self.most else { return false }
            idle.append(UInt(bitPattern: context))
            return true
        }
    }
}
