import Crypto
import NATS
import Storage

/// Reads the chunks of one object in order, one request each: nothing is under way between two pulls, so a slow
/// reader costs nothing and one that goes away leaves nothing.
actor ChunkReader {
    private let bucket: Bucket
    private let object: StoredMeta
    private let wanted: Range<Int>
    private let verifies: Bool
    /// The offset of the next chunk's first byte within the object.
    private var offset: Int
    /// The next chunk is at this sequence, or after it.
    private var sequence: UInt64
    private var hash = SHA256()

    private init(_ object: StoredMeta, _ wanted: Range<Int>, _ bucket: Bucket, verify: Bool) {
        verifies = verify && wanted == 0..<object.meta.size
        self.object = object
        self.wanted = wanted
        self.bucket = bucket
        (sequence, offset) = Self.start(object, wanted)
    }

    private static func start(_ object: StoredMeta, _ wanted: Range<Int>) -> (sequence: UInt64, offset: Int) {
        guard let first = object.meta.firstChunk else { return (1, 0) }
        let size = object.meta.chunkSize
        guard size > 0, wanted != 0..<object.meta.size else {
            return (first, 0)
        }
        // Chunks of one size without a gap between them: where the first one wanted lies is known.
        let skipped = wanted.lowerBound / size
        return (first.addingReportingOverflow(UInt64(skipped)).partialValue, skipped * size)
    }

    /// The body of `range` of an object; of the whole object, verified at the end.
    static func body(
        of object: StoredMeta, _ range: Range<Int>, in bucket: Bucket, verify: Bool
    ) -> ObjectBody {
        let reader = ChunkReader(object, range, bucket, verify: verify)
        return ObjectBody(size: range.count) { () async throws(StorageError) in
            do throws(StorageError) {
                return try await reader.next()
            } catch {
                throw error.during(.get, key: object.key)
            }
        }
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        while offset < wanted.upperBound {
            let chunk = try await chunk()
            if verifies { hash.update(chunk) }
            let part = wanted.clamped(to: offset..<offset + chunk.count)
            let start = offset
            offset += chunk.count
            guard !part.isEmpty else { continue }
            return part.count == chunk.count
                ? chunk : Array(chunk[part.lowerBound - start..<part.upperBound - start])
        }
        try verify()
        return nil
    }

    private func chunk() async throws(StorageError) -> [UInt8] {
        let found = try await bucket.chunk(of: object.meta.nuid, from: sequence)
        guard let found, !found.payload.isEmpty else { throw await missing() }
        sequence = found.sequence &+ 1
        return found.payload
    }

    /// Why a chunk is not there: the object was replaced meanwhile, or it is damaged.
    private func missing() async -> StorageError {
        do throws(StorageError) {
            if try await bucket.meta(object.key)?.sequence != object.sequence {
                return StorageError(
                    .unavailable, "“\(object.key)” was replaced or deleted while it was read; read it again")
            }
        } catch {
            return error
        }
        return StorageError(
            .internal, "“\(object.key)” is damaged: its chunks end after \(offset) of \(object.meta.size) bytes")
    }

    private func verify() throws(StorageError) {
        guard verifies, let expected = object.meta.digest else { return }
        let digest = Digest(hash.finalize())
        guard digest == expected, offset == object.meta.size else {
            throw StorageError(
                .internal, "“\(object.key)” is damaged: its \(offset) bytes hash to \(digest), not to \(expected)")
        }
    }
}
