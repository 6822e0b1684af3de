import Dispatch
import Foundation
import Synchronization
import Waiting

/// A temporary file without a name: gone with whoever holds it, or with the process. Its calls block a queue of its
/// own, never Swift's threads.
package final class SpoolFile: Sendable {
    private static let chunk = 1 << 20

    private let descriptor: Int32
    private let queue = DispatchQueue(label: "storage.spool")

    private init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    package static func make() async throws(StorageError) -> SpoolFile {
        let result = await offPool {
            var path = Array((NSTemporaryDirectory() + "/nats-storage-XXXXXX").utf8CString)
            let descriptor = mkstemp(&path)
            let error = errno
            if descriptor >= 0 { unlink(path) }
            return (descriptor, error)
        }
        guard result.0 >= 0 else { throw failure("made", result.1) }
        return SpoolFile(result.0)
    }

    /// Writes at the end.
    package func append(_ bytes: [UInt8]) async throws(StorageError) {
        let error: Int32 = await offPool(on: queue) { [descriptor] in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                guard count > 0 || count < 0 && errno == EINTR else { return errno }
                rest = rest.dropFirst(max(0, count))
            }
            return 0
        }
        guard error == 0 else { throw Self.failure("written", error) }
    }

    /// The contents, from the start.
    package func pull() -> ObjectBody.Pull {
        let offset = Mutex(0)
        return { () async throws(StorageError) in
            let bytes = try await self.read(at: offset.withLock { $0 })
            offset.withLock { $0 += bytes.count }
            return bytes.isEmpty ? nil : bytes
        }
    }

    private func read(at offset: Int) async throws(StorageError) -> [UInt8] {
        let result: Result<[UInt8], StorageError> = await offPool(on: queue) { [descriptor] in
            var count = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: Self.chunk) { buffer, filled in
                count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
                filled = max(0, count)
            }
            return count < 0 ? .failure(Self.failure("read", errno)) : .success(bytes)
        }
        return try result.get()
    }

    private static func failure(_ what: String, _ error: Int32) -> StorageError {
        StorageError(.unavailable, "a temporary file can't be \(what): \(String(cString: strerror(error)))")
    }
}
