import CFiles
import Glibc
import Storage

/// The names in a folder, `.` and `..` left out, in no order, as they are asked for. For one thread at a time.
final class FolderNames {
    private let stream: OpaquePointer

    init(_ folder: Descriptor) throws(StorageError) {
        // A stream takes the descriptor it is given, and its position: it gets one of its own.
        let copy = openat(folder.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw .system("reading a folder") }
        guard let stream = fdopendir(copy) else {
            let error = StorageError.system("reading a folder")
            close(copy)
            throw error
        }
        self.stream = stream
    }

    deinit {
        closedir(stream)
    }

    /// Nil after the last.
    func next() throws(StorageError) -> String? {
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw .system("reading a folder") }
                return nil
            }
            // What is not UTF-8 is no name of this store's.
            if let name = String(validatingCString: cfiles_name(entry)), name != ".", name != ".." { return name }
        }
    }
}
