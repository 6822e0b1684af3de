import Crypto
import Storage
import Synchronization

/// Reads an object's file chunk by chunk as it is asked for. The file stays open, so that it is read whole even if it
/// is replaced or deleted meanwhile.
final class FileBody: Sendable {
    private static let chunk = 512 << 10

    private struct State {
        var rest: Range<Int>
        var hash: SHA256?
    }

    private let file: Descriptor
    private let info: ObjectInfo
    private let threads: IOThreads
    private let state: Mutex<State>

    init(_ file: Descriptor, _ info: ObjectInfo, _ range: Range<Int>, verify: Bool, _ threads: IOThreads) {
        self.file = file
        self.info = info
        self.threads = threads
        let isWhole = range.count == info.size
        state = Mutex(State(rest: range, hash: verify && isWhole ? SHA256() : nil))
    }

    var body: ObjectBody {
        ObjectBody(size: state.withLock { $0.rest.count }) { () async throws(StorageError) in try await self.next() }
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        if Task.isCancelled { throw StorageError.cancelled }
        let rest = state.withLock { $0.rest }
        if rest.isEmpty { return nil }
        let (file, count) = (file, min(rest.count, Self.chunk))
        let bytes = try await threads.run { () throws(StorageError) in try file.read(count, at: rest.lowerBound) }
        guard bytes.count == count else { throw StoredFile.damaged(info.key) }
        try advance(bytes)
        return bytes
    }

    private func advance(_ bytes: [UInt8]) throws(StorageError) {
        let digest = state.withLock { state -> Storage.Digest? in
            state.rest = state.rest.dropFirst(bytes.count)
            state.hash?.update(bytes)
            return state.rest.isEmpty ? state.hash.map { Digest($0.finalize()) } : nil
        }
        if let digest { try Self.check(digest, info) }
    }

    /// Throws `internal` where the bytes are not those that were stored.
    static func check(_ digest: Storage.Digest, _ info: ObjectInfo) throws(StorageError) {
        if let wanted = info.digest, wanted != digest {
            throw StorageError(
                .internal, "the bytes of “\(info.key)” are damaged: they hash to \(digest), not to \(wanted)",
                key: info.key.rawValue)
        }
    }
}
