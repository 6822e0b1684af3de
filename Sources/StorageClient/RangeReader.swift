import Crypto
import Storage

/// Reads one version of an object by ranges, several in flight ahead of the reader.
actor RangeReader {
    private typealias Fetch = Task<Result<[UInt8], StorageError>, Never>

    /// How many ranges are in flight, or wait to be read, at once.
    private static let window = 4

    private let info: ObjectInfo
    private let wanted: Range<Int>
    private let store: RemoteStore
    private let step: Int
    /// Whether the digest is compared at the end.
    private let verifies: Bool
    /// Where the next range to be fetched begins.
    private var front: Int
    private var fetches: [(range: Range<Int>, task: Fetch)] = []
    private var hash = SHA256()

    private init(_ info: ObjectInfo, _ wanted: Range<Int>, _ store: RemoteStore, verify: Bool) {
        self.info = info
        self.wanted = wanted
        self.store = store
        step = min(1 << 20, store.room)
        verifies = verify && wanted.count == info.size
        front = wanted.lowerBound
    }

    deinit {
        fetches.forEach { $0.task.cancel() }
    }

    static func body(of info: ObjectInfo, _ range: Range<Int>, from store: RemoteStore, verify: Bool) -> ObjectBody {
        let reader = RangeReader(info, range, store, verify: verify)
        return ObjectBody(size: range.count) { () async throws(StorageError) in try await reader.next() }
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        fetchAhead()
        guard !fetches.isEmpty else {
            try verify()
            return nil
        }
        let (range, task) = fetches.removeFirst()
        let bytes = try await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }.get()
        guard bytes.count == range.count else {
            throw StorageError(.internal, "the component gave \(bytes.count) bytes for a range of \(range.count)")
        }
        fetchAhead()
        if verifies { hash.update(data: bytes) }
        return bytes
    }

    private func fetchAhead() {
        while fetches.count < Self.window, front < wanted.upperBound {
            let range = front..<min(front + step, wanted.upperBound)
            fetches.append((range, fetch(range)))
            front = range.upperBound
        }
    }

    private func fetch(_ range: Range<Int>) -> Fetch {
        let (store, info) = (store, info)
        // Unstructured, since it is begun in one call of the reader and awaited in a later one; `deinit` cancels it.
        return Task {
            do throws(StorageError) {
                return .success(try await store.bytes(of: info, range))
            } catch {
                return .failure(error)
            }
        }
    }

    private func verify() throws(StorageError) {
        guard verifies, let expected = info.digest else { return }
        let digest = Digest(hash.finalize())
        guard digest == expected else {
            throw StorageError(
                .internal, "what came of “\(info.key)” hashes to \(digest), not to \(expected)", key: info.key.rawValue)
        }
    }
}
