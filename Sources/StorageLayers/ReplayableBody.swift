import Storage
import Synchronization

/// A body that can be put again: as often as wanted where its bytes are at hand, else until something of it was read.
struct ReplayableBody: Sendable {
    private final class Reading: Sendable {
        let hasBegun = Atomic(false)
    }

    /// What to put: one body for all attempts.
    let body: ObjectBody
    private let reading: Reading?

    /// Gathers a stream that announces at most `limit` bytes.
    ///
    /// - Throws: `invalid` where the stream has another size than it announced, or what it throws.
    init(_ body: ObjectBody, gathering limit: Int) async throws(StorageError) {
        if body.bytesAtHand != nil {
            self.body = body
            reading = nil
        } else if let size = body.size, size <= limit {
            self.body = try await Self.gathered(body, size)
            reading = nil
        } else {
            let reading = Reading()
            let pull = body.pull
            self.body = ObjectBody(size: body.size, trailingDigest: body.trailingDigest) {
                () async throws(StorageError) in
                reading.hasBegun.store(true, ordering: .releasing)
                return try await pull()
            }
            self.reading = reading
        }
    }

    /// Whether it can be put once more.
    var isWhole: Bool { !(reading?.hasBegun.load(ordering: .acquiring) ?? false) }

    private static func gathered(_ body: ObjectBody, _ size: Int) async throws(StorageError) -> ObjectBody {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        var iterator = body.makeAsyncIterator()
        while bytes.count <= size, let chunk = try await iterator.next() { bytes += chunk }
        guard bytes.count == size else {
            let count = bytes.count > size ? "more than that" : "\(bytes.count)"
            throw StorageError(.invalid, "the body announced \(size) bytes, but has \(count)")
        }
        return ObjectBody(bytes, trailingDigest: body.trailingDigest)
    }
}
