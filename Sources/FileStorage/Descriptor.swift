import CFiles
import Dispatch
import Glibc
import Storage
import Synchronization

/// An open file or folder. Its calls may block: on I/O threads only, but for ``withCachedFile(_:_:)``.
final class Descriptor: Sendable {
    /// Closing the last descriptor of a deleted file frees it, which takes time: never on the thread that lets go.
    private static let closing = DispatchQueue(label: "nats-storage.files.closing")

    let number: Int32
    private let isClosed = Atomic(false)

    private init(_ number: Int32) {
        self.number = number
    }

    deinit {
        let number = number
        if !isClosed.load(ordering: .relaxed) { Self.closing.async { _ = Glibc.close(number) } }
    }

    /// Closes it now, on this thread: nobody may use it any more.
    func close() {
        // What was written has been synced, or is not promised to last: nothing to learn from a failing close.
        if !isClosed.exchange(true, ordering: .relaxed) { _ = Glibc.close(number) }
    }

    /// Opens a path as the process sees it: for the root alone, which a person configured.
    static func open(root path: String) throws(StorageError) -> Descriptor {
        let number = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw .system("opening “\(path)”") }
        return Descriptor(number)
    }

    /// Opens `path` beneath this folder; never outside of it, never through a symbolic link.
    func open(_ path: String, _ flags: Int32 = O_RDONLY, mode: mode_t = 0) throws(StorageError) -> Descriptor {
        let number = cfiles_open_beneath(self.number, path, flags, mode)
        guard number >= 0 else { throw .system("opening a file") }
        return Descriptor(number)
    }

    /// The same where it is missing: nil.
    func openIfPresent(_ path: String, _ flags: Int32 = O_RDONLY) throws(StorageError) -> Descriptor? {
        do throws(StorageError) {
            return try open(path, flags)
        } catch  where error.systemCode == ENOENT {
            return nil
        }
    }

    /// Opens a folder, made where it is missing; whether it was.
    func folder(_ name: String) throws(StorageError) -> (folder: Descriptor, isNew: Bool) {
        if let folder = try openIfPresent(name, O_RDONLY | O_DIRECTORY) { return (folder, false) }
        let made = mkdirat(number, name, 0o777) == 0
        guard made || errno == EEXIST else { throw .system("making a folder") }
        return (try open(name, O_RDONLY | O_DIRECTORY), made)
    }

    /// Size, kind, times and links.
    func status() throws(StorageError) -> stat {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .system("reading a file's status") }
        return status
    }

    func write(_ bytes: [UInt8]) throws(StorageError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(number, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .system("writing a file", count == 0 ? ENOSPC : errno) }
            written += count
        }
    }

    /// Up to `count` bytes from `offset`; fewer only at the end of the file.
    func read(_ count: Int, at offset: Int) throws(StorageError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let more = pread(number, buffer.baseAddress?.advanced(by: filled), count - filled, offset + filled)
                if more < 0 && errno == EINTR { continue }
                if more < 0 { failure = errno }
                if more <= 0 { return }
                filled += more
            }
        }
        guard failure == 0 else { throw .system("reading a file", failure) }
        return bytes
    }

    /// What ``withCachedFile(_:_:)`` found without ever blocking.
    enum Cached<Value> {
        case file(Value)
        case absent
        /// Only a call that may block can tell.
        case unknown
    }

    /// Lends the bytes of a file beneath this folder, if they are few and lie in the kernel's cache.
    func withCachedFile<Value>(
        _ path: String, _ body: (UnsafeRawBufferPointer) -> Value
    ) -> Cached<Value> {
        var bytes: UnsafeRawPointer?
        let count = cfiles_read_cached_file(number, path, &bytes)
        if count < 0 { return errno == ENOENT ? .absent : .unknown }
        return .file(body(UnsafeRawBufferPointer(start: bytes, count: count)))
    }

    /// Appends the first `count` bytes of another file, in the kernel where that is possible.
    func copy(_ count: Int, from source: Descriptor) throws(StorageError) {
        var offset: off_t = 0
        while offset < count {
            let copied = cfiles_copy(source.number, &offset, number, count - offset)
            if copied < 0 && errno == EINTR { continue }
            if copied < 0 && ![EXDEV, ENOSYS, EINVAL, EOPNOTSUPP].contains(errno) { throw .system("copying a file") }
            if copied > 0 { continue }
            let bytes = try source.read(min(1 << 20, count - offset), at: offset)
            if bytes.isEmpty { throw .system("copying a file", EIO) }
            try write(bytes)
            offset += bytes.count
        }
    }

    /// Waits until what was written, or a folder's entries, are on the disk.
    func sync() throws(StorageError) {
        guard fsync(number) == 0 else { throw .system("syncing to the disk") }
    }

    /// Waits until everything that was written to the file system is on the disk.
    func syncFileSystem() throws(StorageError) {
        guard cfiles_sync_file_system(number) == 0 else { throw .system("syncing the file system") }
    }

    /// Removes a file of this folder; false where there was none.
    @discardableResult
    func unlink(_ name: String) throws(StorageError) -> Bool {
        if unlinkat(number, name, 0) == 0 { return true }
        guard errno == ENOENT else { throw .system("removing a file") }
        return false
    }

    /// Removes a folder of this folder if it is empty; whether it did.
    func removeFolder(_ name: String) -> Bool {
        unlinkat(number, name, AT_REMOVEDIR) == 0
    }

    /// The names in this folder, `.` and `..` left out, in no order; ends early when `visit` returns false.
    func forEachName(_ visit: (String) throws(StorageError) -> Bool) throws(StorageError) {
        let names = try FolderNames(self)
        while let name = try names.next() {
            guard try visit(name) else { return }
        }
    }

    /// Opens the folder `path` beneath this one; nil where there is none any more, or never was.
    func openIfFolder(_ path: String) throws(StorageError) -> Descriptor? {
        do throws(StorageError) {
            return try openIfPresent(path, O_RDONLY | O_DIRECTORY)
        } catch  where error.systemCode == ENOTDIR || error.systemCode == ELOOP {
            return nil
        } catch  where error.systemCode == ENAMETOOLONG {
            // Longer than any path of a key.
            return nil
        }
    }
}
