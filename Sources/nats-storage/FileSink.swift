import Dispatch
import Foundation
import Storage

/// A file, or standard output, that is written as the bytes come. The file appears when it is whole.
struct FileSink: Sendable {
    private let path: String?
    private let descriptor: Int32

    private var partial: String { (path ?? "") + ".part-\(getpid())" }

    /// Opens `path`; - is standard output.
    init(_ path: String) throws {
        guard path != "-" else {
            (self.path, descriptor) = (nil, STDOUT_FILENO)
            return
        }
        self.path = path
        descriptor = open(path + ".part-\(getpid())", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw Self.failure("“\(path)” can't be written") }
    }

    /// Writes all of `bytes`.
    func write(_ bytes: [UInt8]) async throws(StorageError) {
        let descriptor = descriptor
        let error: Int32 = await withCheckedContinuation { continuation in
            // A write may block: not on Swift's pool.
            DispatchQueue.global().async {
                var (written, error): (Int, Int32) = (0, 0)
                while written < bytes.count, error == 0 {
                    let count = bytes.withUnsafeBytes { buffer in
                        Glibc.write(descriptor, buffer.baseAddress.map { $0 + written }, buffer.count - written)
                    }
                    if count >= 0 { written += count } else if errno != EINTR { error = errno }
                }
                continuation.resume(returning: error)
            }
        }
        if error != 0 { throw StorageError(.invalid, "writing failed: \(String(cString: strerror(error)))") }
    }

    /// Makes the file appear.
    func finish() throws {
        guard let path else { return }
        guard fsync(descriptor) == 0, close(descriptor) == 0, rename(partial, path) == 0 else {
            let failure = Self.failure("“\(path)” can't be written")
            unlink(partial)
            throw failure
        }
    }

    /// Removes what was written so far.
    func giveUp() {
        guard path != nil else { return }
        close(descriptor)
        unlink(partial)
    }

    private static func failure(_ what: String) -> StorageError {
        StorageError(.invalid, "\(what): \(String(cString: strerror(errno)))")
    }
}
