import Foundation
import Storage
import Synchronization
import Waiting

/// A file, or standard input, as a body that is read as it is sent.
struct FileBody: Sendable {
    private static let chunk = 1 << 20

    private let path: String
    private let descriptor: Int32
    let size: Int?

    init(_ path: String) throws {
        self.path = path
        if path == "-" {
            descriptor = STDIN_FILENO
            size = nil
            return
        }
        descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else {
            throw StorageError(.invalid, "“\(path)” can't be read: \(String(cString: strerror(errno)))")
        }
        var status = stat()
        let isFile = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        size = isFile ? Int(status.st_size) : nil
    }

    /// The body; small files are bytes at hand.
    func body() async throws(StorageError) -> ObjectBody {
        if let size, size <= Self.chunk / 2 {
            var bytes: [UInt8] = []
            while let chunk = try await read() { bytes += chunk }
            return ObjectBody(bytes)
        }
        let progress = Mutex(Progress(total: size))
        return ObjectBody(size: size) { () async throws(StorageError) in
            let chunk = try await read()
            progress.withLock { $0.advance(by: chunk?.count ?? 0) }
            return chunk
        }
    }

    private func read() async throws(StorageError) -> [UInt8]? {
        let descriptor = descriptor
        let read: (bytes: [UInt8]?, error: Int32) = await offPool {
            var count = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: Self.chunk) { buffer, initialized in
                count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                initialized = max(0, count)
            }
            return count < 0 ? (nil, errno) : (bytes, 0)
        }
        guard let bytes = read.bytes else {
            throw StorageError(.invalid, "“\(path)” can't be read: \(String(cString: strerror(read.error)))")
        }
        return bytes.isEmpty ? nil : bytes
    }
}
