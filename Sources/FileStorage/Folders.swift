import CFiles
import Glibc
import Storage
import Synchronization

/// Makes folders, makes them last, and removes empty ones, beside others who do the same.
final class Folders: Sendable {
    /// What no other folder ever was.
    private struct Identity: Hashable {
        let inode: UInt64
        let seconds: Int64
        let nanoseconds: UInt32
    }

    private static let capacity = 4096

    private let objects: Descriptor
    /// Folders whose way up from here was synced: no need to do it again for each file in them.
    private let lasting = Mutex<Set<Identity>>([])

    init(_ objects: Descriptor) {
        self.objects = objects
    }

    /// Opens the folder `path`, made with all above it where it is missing.
    func make(_ path: String) throws(StorageError) -> Descriptor {
        if let folder = try objects.openIfPresent(path, O_RDONLY | O_DIRECTORY) { return folder }
        var folder = objects
        for name in path.split(separator: "/") { folder = try folder.folder(String(name)).folder }
        return folder
    }

    /// Runs `body` with the folder `path`, made as often as somebody removes it for being empty.
    func withFolder<Value>(
        _ path: String, _ body: (Descriptor) throws(StorageError) -> Value
    ) throws(StorageError) -> (value: Value, folder: Descriptor) {
        for _ in 0..<1000 {
            do throws(StorageError) {
                let folder = try make(path)
                return (try body(folder), folder)
            } catch  where error.systemCode == ENOENT {
                continue
            }
        }
        throw StorageError(.unavailable, "the object's folder was removed again and again; try again")
    }

    /// Makes the entries of `folder`, and those of the folders above that lead to it, survive a power failure.
    func sync(_ folder: Descriptor, _ path: String) throws(StorageError) {
        try folder.sync()
        var path = path
        var current = folder
        var found: [Identity] = []
        while path != "." {
            let identity = identify(current)
            if lasting.withLock({ $0.contains(identity) }) { break }
            path = path.folderAndName.folder
            // Removed meanwhile: what was to last in it is gone too.
            guard let parent = try objects.openIfPresent(path, O_RDONLY | O_DIRECTORY) else { return }
            try parent.sync()
            found.append(identity)
            current = parent
        }
        remember(found)
    }

    private func remember(_ found: [Identity]) {
        if found.isEmpty { return }
        lasting.withLock { lasting in
            if lasting.count > Self.capacity { lasting = [] }
            // Without a time of birth a folder can't be told from one made later.
            for identity in found where identity.seconds != 0 { lasting.insert(identity) }
        }
    }

    /// Removes the folder `path` and those above it as far as they are empty.
    func prune(_ path: String) {
        var path = path
        while path != "." {
            let (parent, name) = path.folderAndName
            guard let folder = try? objects.openIfPresent(parent, O_RDONLY | O_DIRECTORY), folder.removeFolder(name)
            else { return }
            path = parent
        }
    }

    private func identify(_ folder: Descriptor) -> Identity {
        var identity = cfiles_identity()
        // Where this fails it stays all zero, which is no folder that is known to last.
        cfiles_identify(folder.number, &identity)
        return Identity(
            inode: identity.inode, seconds: identity.birth_seconds, nanoseconds: identity.birth_nanoseconds)
    }
}
