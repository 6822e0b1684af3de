import Crypto
import Storage

/// Reads one version of an object by ranges; the next one is fetched while the reader works on the last.
actor RangeReader {
    private let info: ObjectInfo
    private let wanted: Range<Int>
    private let store: RemoteStore
    private let step: Int
    private var offset: Int
    private var ahead: Task<Result<[UInt8], StorageError>, Never>?
    private var hash = SHA256()

    private init(_ info: ObjectInfo, _ wanted: Range<Int>, _ store: RemoteStore) {
        self.info = info
        self.wanted = wanted
        self.store = store
        step = min(1 << 20, store.room)
        offset = wanted.lowerBound
    }

    deinit {
        ahead?.cancel()
    }

    static func body(of info: ObjectInfo, _ range: Range<Int>, from store: RemoteStore) -> ObjectBody {
        let reader = RangeReader(info, range, store)
        return ObjectBody(size: range.count) { () async throws(StorageError) in try await reader.next() }
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        guard offset < wanted.upperBound else {
            try verify()
            return nil
        }
        let task = ahead ?? fetch(offset)
        ahead = nil
        let part = offset..<min(offset + step, wanted.upperBound)
        let bytes = try await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }.get()
        guard bytes.count == part.count else {
            throw StorageError(.internal, "the component gave \(bytes.count) bytes for a range of \(part.count)")
        }
        offset = part.upperBound
        if offset < wanted.upperBound { ahead = fetch(offset) }
        if wanted.count == info.size { hash.update(data: bytes) }
        return bytes
    }

    private func fetch(_ start: Int) -> Task<Result<[UInt8], StorageError>, Never> {
        let last = min(start + step, wanted.upperBound) - 1
        let options = GetOptions(range: .bounded(first: start, last: last), ifMatch: info.version)
        let (store, key) = (store, info.key)
        return Task {
            do throws(StorageError) {
                return .success(try await store.get(key, options: options).body.collect(upTo: .max))
            } catch {
                return .failure(error)
            }
        }
    }

    private func verify() throws(StorageError) {
        guard wanted.count == info.size, let expected = info.digest else { return }
        let digest = Digest(hash.finalize())
        guard digest == expected else {
            throw StorageError(
                .internal, "what came of “\(info.key)” hashes to \(digest), not to \(expected)", key: info.key.rawValue)
        }
    }
}
