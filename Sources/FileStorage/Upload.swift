import FoundationEssentials
import Storage

/// The bytes of a put on their way into a temporary file; one chunk is held back, so that a small object is written by
/// one job.
struct Upload: Sendable {
    let key: ObjectKey
    let options: PutOptions
    let root: Root
    let threads: IOThreads
    private var pending: [UInt8]
    private var temporary: TemporaryFile?

    init(key: ObjectKey, options: PutOptions, root: Root, threads: IOThreads, bytes: [UInt8] = []) {
        self.key = key
        self.options = options
        self.root = root
        self.threads = threads
        pending = bytes
    }

    mutating func append(_ chunk: [UInt8]) async throws(StorageError) {
        let (bytes, file, root) = (pending, temporary, root)
        pending = chunk
        if bytes.isEmpty { return }
        if file == nil {
            temporary = try await threads.run { () throws(StorageError) in try TemporaryFile(in: root.temporary) }
        }
        guard let file = temporary?.file else { return }
        try await threads.run { () throws(StorageError) in try file.write(bytes) }
    }

    /// What will be told of the object.
    func info(size: Int, digest: Digest, now: Date) -> ObjectInfo {
        let modified = Trailer.kept(now)
        return ObjectInfo(
            key: key, size: size, version: Version(uniqueToken()), digest: digest, modified: modified,
            expires: options.timeToLive.map { Trailer.kept(modified.addingTimeInterval($0.seconds)) },
            attributes: options.attributes)
    }

    /// Writes what is left and the trailer; on an I/O thread. Leaves nothing where it fails.
    func prepared(_ info: ObjectInfo, now: Date, sync: Bool) throws(StorageError) -> FileWrites.Draft {
        let end = try Trailer(info).encoded()
        let temporary = if let temporary { temporary } else { try TemporaryFile(in: root.temporary) }
        do throws(StorageError) {
            try temporary.file.write(pending + end)
            if sync { try temporary.file.sync() }
            return FileWrites.Draft(info: info, options: options, temporary: temporary, now: now)
        } catch {
            temporary.remove()
            throw error
        }
    }

    /// Removes what was written.
    func discard() async {
        guard let temporary else { return }
        _ = try? await threads.run { temporary.remove() }
    }
}
