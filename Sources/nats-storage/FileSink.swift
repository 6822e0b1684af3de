import Foundation
import Storage
import Waiting

/// Where bytes go as they come: a file, which appears when it is whole; or what is no file, such as standard output, a pipe
/// or a device, which is written to where it is.
struct FileSink: Sendable {
    /// What messages call it.
    private let name: String
    private let descriptor: Int32
    /// The path that the file gets when it is whole; nil: it has its place already.
    private let destination: String?

    private var partial: String { Self.partial(destination ?? "") }

    private static func partial(_ path: String) -> String { path + ".part-\(getpid())" }

    /// Runs `body` with a sink for `path`; - is standard output, and a link is followed. What was written appears when
    /// `body` returns; when it throws nothing of a file is left.
    ///
    /// - Parameter mode: the permissions of a new file, less those that the process' mask takes.
    static func with<Value>(
        _ path: String, mode: mode_t = 0o600, _ body: (FileSink) async throws -> Value
    ) async throws -> Value {
        let sink = try await offPool { () throws(StorageError) in try FileSink(path, mode) }
        defer { if sink.descriptor > STDERR_FILENO { close(sink.descriptor) } }
        do {
            let value = try await body(sink)
            try await offPool { () throws(StorageError) in try sink.finish() }
            return value
        } catch {
            if sink.destination != nil { unlink(sink.partial) }
            throw error
        }
    }

    private init(_ path: String, _ mode: mode_t) throws(StorageError) {
        if path == "-" {
            (name, descriptor, destination) = ("standard output", STDOUT_FILENO, nil)
            return
        }
        name = "“\(path)”"
        var (there, link) = (stat(), stat())
        let isThere = stat(path, &there) == 0
        guard isThere || lstat(path, &link) != 0 else {
            throw StorageError(.invalid, "\(name) can't be written: it is a link that leads nowhere")
        }
        if isThere, let standard = Self.standardStream(there) {
            (descriptor, destination) = (standard, nil)
        } else if isThere, there.st_mode & S_IFMT != S_IFREG {
            destination = nil
            descriptor = open(path, O_WRONLY | O_CLOEXEC)
        } else {
            let resolved = Self.resolved(path)
            destination = resolved
            descriptor = open(Self.partial(resolved), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode)
        }
        guard descriptor >= 0 else { throw failure(errno) }
    }

    /// What `/dev/stdout` and its like lead to is written on where it is, even if it is a file.
    private static func standardStream(_ status: stat) -> Int32? {
        [STDOUT_FILENO, STDERR_FILENO].first {
            var stream = stat()
            return fstat($0, &stream) == 0 && stream.st_dev == status.st_dev && stream.st_ino == status.st_ino
        }
    }

    private static func resolved(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Writes all of `bytes`.
    func write(_ bytes: [UInt8]) async throws(StorageError) {
        let error = await offPool { [descriptor] in
            var (written, error): (Int, Int32) = (0, 0)
            while written < bytes.count, error == 0 {
                let count = bytes.withUnsafeBytes { buffer in
                    Glibc.write(descriptor, buffer.baseAddress.map { $0 + written }, buffer.count - written)
                }
                if count >= 0 { written += count } else if errno != EINTR { error = errno }
            }
            return error
        }
        if error != 0 { throw failure(error) }
    }

    /// Makes the file appear.
    private func finish() throws(StorageError) {
        guard let destination else { return }
        guard fsync(descriptor) == 0, rename(partial, destination) == 0 else { throw failure(errno) }
    }

    private func failure(_ error: Int32) -> StorageError {
        StorageError(.invalid, "\(name) can't be written: \(String(cString: strerror(error)))")
    }
}
