import DequeModule
import NATS
import Storage

/// Reads the chunks of one object in order, a few of them on their way while the caller works on the ones before. A
/// slow reader costs no more than those few, and one that goes away leaves nothing.
actor ChunkReader {
    /// The most bytes that are asked for ahead of the reader.
    private static let readAhead = 4 << 20
    /// The most chunks that are asked for ahead, however small they are.
    private static let widest = 256
    /// How often a chunk is asked for whose answer does not come: the connection may have been away.
    private static let attempts = 2

    private let bucket: Bucket
    private let object: StoredMeta
    private let subject: String
    private let wanted: Range<Int>
    private let hash: ParallelHash?
    /// How many chunks are asked for at once.
    private var window = 1
    /// Whether it is known if the chunks follow one another without a gap.
    private var isLocated = false
    /// Whether a chunk came from where it was looked for.
    private var isProven = false
    /// The offset of the next chunk's first byte within the object.
    private var offset = 0
    /// The next chunk is at this sequence, or after it.
    private var sequence: UInt64 = 1
    /// Chunks on their way, in order.
    private var underWay: Deque<PendingMessage> = []

    private init(_ object: StoredMeta, _ wanted: Range<Int>, _ bucket: Bucket, verify: Bool) {
        self.object = object
        self.wanted = wanted
        self.bucket = bucket
        subject = bucket.format.chunks(of: object.meta.nuid)
        hash = verify && wanted == 0..<object.meta.size && object.meta.digest != nil ? ParallelHash() : nil
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
                await reader.withdraw()
                throw error.during(.get, key: object.key)
            }
        }
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        if !isLocated { await locate() }
        while offset < wanted.upperBound {
            let chunk = try await chunk()
            await hash?.update(chunk)
            let part = wanted.clamped(to: offset..<offset + chunk.count)
            let start = offset
            offset += chunk.count
            guard !part.isEmpty else { continue }
            return part.count == chunk.count
                ? chunk : Array(chunk[part.lowerBound - start..<part.upperBound - start])
        }
        try await verify()
        return nil
    }

    /// Finds out where the chunks lie. Without a gap between them, as most writers leave them, any of them can be asked
    /// for by its sequence; of one size, those before the range need not be read.
    private func locate() async {
        isLocated = true
        guard let (first, chunkSize) = try? await firstOfGapless() else { return }
        let skipped = wanted.lowerBound / chunkSize
        window = min(max(2, Self.readAhead / chunkSize), Self.widest)
        offset = skipped * chunkSize
        sequence = first.addingReportingOverflow(UInt64(skipped)).partialValue
    }

    /// The sequence of the first chunk, and the size of all but the last, where they are of one size and there is no gap
    /// between the first and the last. The meta message may tell; otherwise those two do: there are as many as there is
    /// room for between them, and as the last is as large as it should be, the others are.
    private func firstOfGapless() async throws(NATSError) -> (UInt64, Int)? {
        guard let chunkSize = object.meta.commonChunkSize else { return nil }
        if let first = object.meta.firstChunk { return (first, chunkSize) }
        guard object.meta.chunks > 2 else { return nil }
        let first = try bucket.startChunk(.nextBySubject(subject, startSequence: 1))
        let last = try bucket.startChunk(.lastBySubject(subject))
        guard let first = try await first.value()?.sequence, let last = try await last.value(),
            last.sequence &- first == UInt64(object.meta.chunks - 1),
            last.payload.count == object.meta.lastChunkSize(chunkSize)
        else { return nil }
        return (first, chunkSize)
    }

    /// What the meta message says of its chunks' place is not so: a program copied the stream.
    private func searchFromTheBeginning() {
        withdraw()
        (window, offset, sequence) = (1, 0, 1)
    }

    private func chunk() async throws(StorageError) -> [UInt8] {
        for attempt in 1... {
            do throws(NATSError) {
                try ask()
                var found = try await underWay.popFirst()?.value()
                if found == nil { found = try await bucket.chunkAtLeader(subject, from: sequence) }
                guard let found, found.subject == subject, !found.payload.isEmpty else {
                    guard window > 1, !isProven else { break }
                    searchFromTheBeginning()
                    continue
                }
                isProven = true
                sequence = found.sequence &+ 1
                // While the caller works on this one.
                try ask(after: found.payload.count)
                return found.payload
            } catch {
                withdraw()
                _ = await bucket.mayAskOtherwise(error)
                guard error.isTransient, error.code != .cancelled, attempt < Self.attempts else {
                    throw StorageError(error, bucket: bucket.name)
                }
            }
        }
        throw await missing()
    }

    /// Asks for as many chunks as may be on their way, once `read` more bytes have been read.
    private func ask(after read: Int = 0) throws(NATSError) {
        if window == 1 {
            // Each is behind the one before, wherever that is.
            guard underWay.isEmpty, offset + read < wanted.upperBound else { return }
            return underWay.append(try bucket.startChunk(.nextBySubject(subject, startSequence: sequence)))
        }
        let chunkSize = object.meta.chunkSize
        var start = offset + read + underWay.count * chunkSize
        while underWay.count < window, start < wanted.upperBound {
            underWay.append(try bucket.startChunk(.sequence(sequence &+ UInt64(underWay.count))))
            start += chunkSize
        }
    }

    /// Gives up what is on its way.
    private func withdraw() {
        underWay.forEach { $0.withdraw() }
        underWay = []
    }

    /// Why a chunk is not there: the object was replaced meanwhile, or it is damaged.
    private func missing() async -> StorageError {
        do throws(StorageError) {
            if try await bucket.meta(object.key, atLeader: true)?.sequence != object.sequence {
                return StorageError(
                    .unavailable, "“\(object.key)” was replaced or deleted while it was read; read it again")
            }
        } catch {
            return error
        }
        return StorageError(
            .internal, "“\(object.key)” is damaged: its chunks end after \(offset) of \(object.meta.size) bytes")
    }

    private func verify() async throws(StorageError) {
        guard let expected = object.meta.digest, let digest = await hash?.finalize() else { return }
        guard digest == expected, offset == object.meta.size else {
            throw StorageError(
                .internal, "“\(object.key)” is damaged: its \(offset) bytes hash to \(digest), not to \(expected)")
        }
    }
}
