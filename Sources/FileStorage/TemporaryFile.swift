import Glibc
import Storage

/// A file that is being written, not yet an object. On I/O threads only.
///
/// It is locked while its writer lives, so that the sweep tells what is under way from what was left behind.
struct TemporaryFile: Sendable {
    let name: String
    let file: Descriptor
    private let folder: Descriptor

    init(in folder: Descriptor) throws(StorageError) {
        self.folder = folder
        name = uniqueToken()
        file = try folder.open(name, O_RDWR | O_CREAT | O_EXCL, mode: 0o666)
        // Where the file system has no locks its age alone protects it.
        _ = flock(file.number, LOCK_EX | LOCK_NB)
    }

    /// Makes it the file `target` of a folder at once: instead of what is there, or only where nothing is.
    ///
    /// - Throws: `ENOENT` as the system code where that folder is gone, `EEXIST` where something is there.
    func move(to target: String, of folder: Descriptor, replacing: Bool) throws(StorageError) {
        if !replacing {
            if linkat(self.folder.number, name, folder.number, target, 0) == 0 { return remove() }
            // Without links the key's lock alone keeps others away.
            guard SystemError.isWithoutLinks(errno) else {
                throw .system("making an object's file")
            }
        }
        guard renameat(self.folder.number, name, folder.number, target) == 0 else {
            throw .system("putting an object's file in place")
        }
        file.close()
    }

    /// Removes and closes it; what stays where that fails the sweep removes.
    func remove() {
        _ = unlinkat(folder.number, name, 0)
        file.close()
    }
}
