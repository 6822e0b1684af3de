import FoundationEssentials
import Glibc
import Storage

/// An object's file, opened: it stays whole, whatever takes its place. On I/O threads only.
struct StoredFile: Sendable {
    /// Where a trailer is expected to fit; a longer one takes a second read.
    private static let usualTrailer = 4096

    let file: Descriptor
    let info: ObjectInfo
    /// The object's bytes, where they were read with the trailer.
    let bytes: [UInt8]?

    /// Opens the object's file and reads its trailer; with the bytes where the file has at most `limit`. Nil where there
    /// is none.
    ///
    /// - Throws: `internal` where it is damaged.
    static func open(_ path: String, _ key: ObjectKey, in folder: Descriptor, bytesUpTo limit: Int = 0)
        throws(StorageError) -> StoredFile?
    {
        guard let file = try folder.openIfPresent(path, O_RDONLY | O_NONBLOCK) else { return nil }
        let size = try fileSize(file, key)
        let start = size <= limit ? 0 : max(0, size - usualTrailer)
        let tail = try file.read(size - start, at: start)
        let found = tail.withUnsafeBytes { Trailer.length(endOf: $0, fileSize: size) }
        guard let length = found else { throw damaged(key) }
        let end = length > tail.count ? try file.read(length, at: size - length) : tail
        let trailer = end.withUnsafeBytes { Trailer(UnsafeRawBufferPointer(rebasing: $0.suffix(length)), of: key) }
        guard let trailer else { throw damaged(key) }
        let isWhole = size <= limit && tail.count == size
        return StoredFile(file: file, info: trailer.info, bytes: isWhole ? Array(tail.dropLast(length)) : nil)
    }

    /// What the object's file says; nil also where it says nothing: one bad file must not hide all others.
    static func readableInfo(_ path: String, _ key: ObjectKey, in folder: Descriptor) throws(StorageError)
        -> ObjectInfo?
    {
        do throws(StorageError) {
            let stored = try open(path, key, in: folder)
            stored?.file.close()
            return stored?.info
        } catch  where error.kind == .internal && (error.systemCode == nil || error.systemCode == ELOOP) {
            // Damaged, or a link.
            return nil
        }
    }

    private static func fileSize(_ file: Descriptor, _ key: ObjectKey) throws(StorageError) -> Int {
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size >= Trailer.footerSize else { throw damaged(key) }
        return Int(status.st_size)
    }

    static func damaged(_ key: ObjectKey) -> StorageError {
        StorageError(.internal, "the file of “\(key)” is damaged, or not this store's", key: key.rawValue)
    }
}

/// An object as a get finds it.
struct FoundObject: Sendable {
    /// Where its bytes are.
    enum Content: Sendable {
        case bytes([UInt8])
        case file(Descriptor)
    }

    let info: ObjectInfo
    let content: Content

    /// The object of a file, which closes where nothing more has to be read; on an I/O thread.
    init(_ stored: StoredFile, wantsBytes: Bool) {
        info = stored.info
        if wantsBytes && stored.bytes == nil {
            content = .file(stored.file)
        } else {
            stored.file.close()
            content = .bytes(stored.bytes ?? [])
        }
    }

    /// Parses a whole file; nil where it is damaged, or is not all there.
    init?(_ file: UnsafeRawBufferPointer, of key: ObjectKey) {
        guard let length = Trailer.length(endOf: file, fileSize: file.count),
            let trailer = Trailer(UnsafeRawBufferPointer(rebasing: file.suffix(length)), of: key)
        else { return nil }
        info = trailer.info
        content = .bytes(Array(UnsafeRawBufferPointer(rebasing: file.dropLast(length))))
    }
}

extension ObjectInfo {
    /// The same where it is found now.
    ///
    /// - Throws: `notFound`, `preconditionFailed`.
    func live(_ key: ObjectKey, ifMatch: Version?, now: () -> Date) throws(StorageError) -> ObjectInfo {
        // Most objects never expire: no need to ask for the time.
        guard expires == nil || !isExpired(at: now()) else { throw .notFound(key) }
        try Precondition(ifMatch: ifMatch).check(version, of: key)
        return self
    }
}
