import FoundationEssentials
import Glibc
import Storage

/// An object's file, opened: it stays whole, whatever takes its place. On I/O threads only, but for ``cached``, which
/// closes it too.
struct StoredFile: Sendable {
    /// Where a trailer is expected to fit; a longer one takes a second read.
    private static let usualTrailer = 4096
    /// What a get may read without waiting for a thread.
    private static let longestCached = 64 << 10

    let file: Descriptor
    let info: ObjectInfo
    /// The object's bytes, where they were read with the trailer.
    let bytes: [UInt8]?

    /// Opens the object's file and reads its trailer; with the bytes where the file has at most `limit`. Nil where there
    /// is none.
    ///
    /// - Throws: `internal` where it is damaged.
    static func open(_ path: String, _ key: ObjectKey, in folder: Descriptor, bytesUpTo limit: Int = 0)
        throws(StorageError)
        -> StoredFile?
    {
        guard let file = try folder.openIfPresent(path, O_RDONLY | O_NONBLOCK) else { return nil }
        let size = try fileSize(file, key)
        let start = size <= limit ? 0 : max(0, size - usualTrailer)
        var tail = try file.read(size - start, at: start)
        guard let length = Trailer.length(footer: tail[...], fileSize: size) else { throw damaged(key) }
        if length > tail.count { tail = try file.read(length, at: size - length) }
        return try parse(file, key, tail, length, hasBytes: start == 0 && tail.count == size)
    }

    /// The same without ever blocking; nil where that is not possible, or there is none, or it is too long.
    static func cached(_ path: String, _ key: ObjectKey, in folder: Descriptor) throws(StorageError) -> StoredFile? {
        guard let file = folder.openCached(path) else { return nil }
        let size = try fileSize(file, key)
        guard size <= longestCached, let content = file.readCached(size) else { return nil }
        // Its file was in place a moment ago: in the worst case this frees one small file.
        file.close()
        guard let length = Trailer.length(footer: content[...], fileSize: size) else { throw damaged(key) }
        return try parse(file, key, content, length, hasBytes: true)
    }

    private static func fileSize(_ file: Descriptor, _ key: ObjectKey) throws(StorageError) -> Int {
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size >= Trailer.footerSize else { throw damaged(key) }
        return Int(status.st_size)
    }

    private static func parse(
        _ file: Descriptor, _ key: ObjectKey, _ tail: [UInt8], _ length: Int, hasBytes: Bool
    ) throws(StorageError) -> StoredFile {
        guard let trailer = Trailer(tail.suffix(length)), trailer.info.key == key else { throw damaged(key) }
        var bytes: [UInt8]?
        if hasBytes {
            bytes = tail
            bytes?.removeLast(length)
        }
        return StoredFile(file: file, info: trailer.info, bytes: bytes)
    }

    static func damaged(_ key: ObjectKey) -> StorageError {
        StorageError(.internal, "the file of “\(key)” is damaged, or not this store's", key: key.rawValue)
    }
}

extension StoredFile? {
    /// The object of a key as it is at `now`.
    ///
    /// - Throws: `notFound`, `preconditionFailed`.
    func live(_ key: ObjectKey, ifMatch: Version?, now: Date) throws(StorageError) -> StoredFile {
        guard let self, !self.info.isExpired(at: now) else { throw .notFound(key) }
        try Precondition(ifMatch: ifMatch).check(self.info.version, of: key)
        return self
    }
}
