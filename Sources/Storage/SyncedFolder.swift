import Glibc

/// Folders that survive a power failure.
package enum SyncedFolder {
    /// Makes a folder, and those above it, where they are missing; their names are on the disk when this returns. On an
    /// I/O thread.
    ///
    /// - Parameter failure: the error of a system call that has just failed, by what was attempted.
    package static func make(_ path: String, failure: (String) -> StorageError) throws(StorageError) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: true)
        var made = path.hasPrefix("/") ? "" : "."
        for part in parts {
            let parent = made.isEmpty ? "/" : made
            made += "/" + part
            if mkdir(made, 0o777) == 0 {
                guard sync(parent) else { throw failure("syncing the folder “\(parent)”") }
            } else if errno != EEXIST && errno != EISDIR && access(made, F_OK) != 0 {
                throw failure("making the folder “\(made)”")
            }
        }
    }

    private static func sync(_ folder: String) -> Bool {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0 {
            // One that can be written and not read: all that helps is to write everything to the disks.
            guard errno == EACCES else { return false }
            Glibc.sync()
            return true
        }
        let isSynced = fsync(descriptor) == 0
        let failure = errno
        close(descriptor)
        errno = failure
        return isSynced
    }
}
