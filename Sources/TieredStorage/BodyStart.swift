import DequeModule
import Storage
import Synchronization

/// The beginning of a body, read to find out whether all of it is small.
struct BodyStart {
    private let body: ObjectBody
    private let pull: ObjectBody.Pull
    private var chunks: [[UInt8]] = []

    init(_ body: ObjectBody) {
        self.body = body
        pull = body.pull
    }

    /// All bytes, where there are no more than `limit`; nil otherwise.
    mutating func read(upTo limit: Int) async throws(StorageError) -> [UInt8]? {
        if let size = body.size, size > limit { return nil }
        if let bytes = body.bytesAtHand { return bytes }
        var count = 0
        while let chunk = try await pull() {
            chunks.append(chunk)
            count += chunk.count
            if count > limit { return nil }
        }
        return Array(chunks.joined())
    }

    /// The same body again, of its bytes; what the sender announced stays to be checked.
    func whole(_ bytes: [UInt8]) -> ObjectBody {
        guard body.bytesAtHand == nil else { return body }
        return ObjectBody(size: body.size, trailingDigest: body.trailingDigest, pull: ObjectBody(bytes).pull)
    }

    /// The same body again: what was read, and the rest.
    var stream: ObjectBody {
        guard !chunks.isEmpty else { return body }
        let start = ReadAhead(chunks)
        return ObjectBody(size: body.size, trailingDigest: body.trailingDigest) {
            [pull] () async throws(StorageError) in
            if let chunk = start.next() { return chunk }
            return try await pull()
        }
    }
}

/// Chunks that were read already.
private final class ReadAhead: Sendable {
    private let chunks: Mutex<Deque<[UInt8]>>

    init(_ chunks: [[UInt8]]) {
        self.chunks = Mutex(Deque(chunks))
    }

    func next() -> [UInt8]? {
        chunks.withLock { $0.popFirst() }
    }
}
