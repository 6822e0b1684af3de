import Glibc
import Storage
import Synchronization

/// What was read of large folders beyond the pages of listings, for the pages that follow: as long as nothing came into
/// the folder or left it.
final class ListWindows: Sendable {
    struct Window: Sendable {
        let path: String
        let stamp: FolderStamp
        /// What is wanted of the folder: what begins with this, or holds what does…
        let prefix: [UInt8]
        /// …from here on.
        let from: [UInt8]
        /// In order.
        let entries: [FolderLevel.Entry]
        /// Whether the folder has more behind them.
        let hasMore: Bool
    }

    /// How many entries are read of a folder at once.
    static let size = 16_384
    private static let capacity = 4

    private let windows = Mutex<[Window]>([])

    func find(_ path: String, _ stamp: FolderStamp, prefix: [UInt8], from: [UInt8]) -> Window? {
        windows.withLock { windows in
            windows.last { window in
                window.path == path && window.stamp == stamp && window.prefix == prefix
                    && !from.lexicographicallyPrecedes(window.from)
            }
        }
    }

    /// Keeps a window in the place of the oldest one.
    func keep(_ window: Window) {
        windows.withLock { windows in
            windows.removeAll { $0.path == window.path && ($0.stamp != window.stamp || $0.prefix == window.prefix) }
            if windows.count == Self.capacity { windows.removeFirst() }
            windows.append(window)
        }
    }
}

/// Which folder it is, and since when nothing came into it or left it.
struct FolderStamp: Sendable, Hashable {
    /// More than the grain of any file system's times.
    private static let grain = 3

    private let inode: UInt
    private let seconds: Int
    private let nanoseconds: Int

    /// Nil for a folder that has just changed: its next change may have the same time.
    init?(_ folder: Descriptor) throws(StorageError) {
        let status = try folder.status()
        (inode, seconds, nanoseconds) = (UInt(status.st_ino), status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
        guard seconds < time(nil) - Self.grain else { return nil }
    }
}
