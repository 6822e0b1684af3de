import Storage
import Synchronization

/// Bytes that differ with `seed` and whose pattern has a prime period, so that no border of chunks or parts hides in it.
func content(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    let pattern = (0..<min(count, 65_521)).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 33)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count { bytes += pattern.prefix(count - bytes.count) }
    return bytes
}

extension ObjectBody {
    /// A stream of `content` in chunks, which then ends, or throws `error`.
    static func stream(
        _ content: [UInt8], chunk: Int = 50_000, announcing size: Int? = nil, then error: StorageError? = nil
    ) -> ObjectBody {
        let next = Mutex(0)
        return ObjectBody(size: size) { () async throws(StorageError) in
            let range = next.withLock { start in
                let end = Swift.min(start + chunk, content.count)
                defer { start = end }
                return start..<end
            }
            guard range.isEmpty else { return Array(content[range]) }
            if let error { throw error }
            return nil
        }
    }
}

/// A body that gives its content and then nothing more until its reader is cancelled.
final class StallingBody: Sendable {
    private let content: [UInt8]
    private let isGiven = Mutex(false)
    private let (stalls, feed) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(1))

    init(_ content: [UInt8]) {
        self.content = content
    }

    var body: ObjectBody {
        ObjectBody(size: nil) { () async throws(StorageError) in
            let isFirst = self.isGiven.withLock { given in
                defer { given = true }
                return !given
            }
            if isFirst { return self.content }
            self.feed.yield()
            while (try? await Task.sleep(for: .seconds(3600))) != nil {}
            throw .cancelled
        }
    }

    /// Starts a put of it and returns when the put has taken the content and waits for more, or has ended.
    func put(to key: ObjectKey, in store: any Store) async -> Task<ObjectInfo, any Error> {
        let put = Task {
            defer { feed.finish() }
            return try await store.put(key, body)
        }
        for await _ in stalls { break }
        return put
    }
}
