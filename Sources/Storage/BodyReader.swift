/// Reads a body in chunks of one size, whatever sizes it comes in, hashing and counting what passes: what a backend's
/// put reads with, so that sizes and digests are checked in one way everywhere.
public struct BodyReader {
    private static let inPlace = 32 << 10
    private static let mostReserved = 32 << 20

    private var iterator: ObjectBody.AsyncIterator
    private let body: ObjectBody
    private var pending: ArraySlice<UInt8> = []
    private var ended = false
    private var hash: ParallelHash?
    /// A first chunk that is small: hashed in place where it stays the only one, since another thread would cost more.
    private var first: [UInt8]?
    /// How many bytes have been read.
    public private(set) var count = 0

    /// Reads `body`, from its beginning.
    public init(_ body: ObjectBody) {
        self.body = body
        iterator = body.makeAsyncIterator()
    }

    /// The next `size` bytes, fewer only at the end; nil after that.
    ///
    /// - Throws: what the stream throws.
    public mutating func next(_ size: Int) async throws(StorageError) -> [UInt8]? {
        var gathered: [UInt8] = []
        while gathered.count < size, try await fill() {
            if gathered.isEmpty && pending.count <= size && pending.startIndex == 0 {
                gathered = Array(pending)
                pending = []
            } else {
                // At once: doubling would copy, and leave room for twice as much.
                if !gathered.isEmpty {
                    gathered.reserveCapacity(min(size, max(0, body.size ?? size), Self.mostReserved))
                }
                let part = pending.prefix(size - gathered.count)
                gathered += part
                pending = pending.dropFirst(part.count)
            }
        }
        guard !gathered.isEmpty else { return nil }
        await hash(gathered)
        count += gathered.count
        return gathered
    }

    private mutating func hash(_ chunk: [UInt8]) async {
        if count == 0 && chunk.count <= Self.inPlace {
            first = chunk
            return
        }
        let hash = self.hash ?? ParallelHash()
        self.hash = hash
        if let first {
            await hash.update(first)
            self.first = nil
        }
        await hash.update(chunk)
    }

    /// Makes bytes pending; false at the end.
    private mutating func fill() async throws(StorageError) -> Bool {
        guard pending.isEmpty else { return true }
        guard !ended else { return false }
        if let chunk = try await iterator.next() {
            pending = chunk[...]
            return true
        }
        ended = true
        return false
    }

    /// The digest of everything read, after the end.
    ///
    /// - Throws: `invalid` where the stream's length is not the one it announced, `digestMismatch` where the bytes
    ///   are not what `expected`, or the sender, said they were.
    public func finish(expected: Digest?) async throws(StorageError) -> Digest {
        if let size = body.size, size != count {
            throw StorageError(.invalid, "the body ended after \(count) bytes, but \(size) were announced")
        }
        let digest = if let hash { await hash.finalize() } else { Digest(of: first ?? []) }
        try body.check(digest, expected)
        return digest
    }
}

extension ObjectBody {
    /// Throws `digestMismatch` where its bytes, which hash to `digest`, are not what `expected`, or the sender, said.
    package func check(_ digest: Digest, _ expected: Digest?) throws(StorageError) {
        for wanted in [expected, trailingDigest?()] {
            if let wanted, wanted != digest {
                throw StorageError(
                    .digestMismatch, "the bytes hash to \(digest), but \(wanted) was given; nothing was stored")
            }
        }
    }
}
