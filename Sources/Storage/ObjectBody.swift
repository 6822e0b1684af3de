import Synchronization

/// An object's bytes: at hand, or a stream that is pulled chunk by chunk.
///
/// A stream is read once, by one reader. Nothing is produced before it is asked for, so a slow reader holds its
/// writer back and memory stays at a few chunks. Letting go of a body that was not read to its end releases what
/// lies behind it.
public struct ObjectBody: Sendable {
    /// Gives the next chunk, never empty, or nil after the last one. Never called again after nil or an error.
    public typealias Pull = @Sendable () async throws(StorageError) -> [UInt8]?

    fileprivate enum Source: Sendable {
        case bytes([UInt8])
        case stream(Pull)
    }

    private let source: Source
    /// How many bytes there are; nil where only the end of the stream tells.
    public let size: Int?
    /// Asked after the last chunk: what the bytes must hash to, where the sender told only then.
    package let trailingDigest: (@Sendable () -> Digest?)?

    /// A body of bytes at hand.
    public init(_ bytes: [UInt8]) {
        source = .bytes(bytes)
        size = bytes.count
        trailingDigest = nil
    }

    /// A body of the UTF-8 of `text`.
    public init(_ text: String) {
        self.init(Array(text.utf8))
    }

    /// A stream of chunks.
    ///
    /// - Parameters:
    ///   - size: the number of bytes, where it is known. A put fails with `invalid` where the stream has another.
    ///   - pull: gives the next chunk.
    public init(size: Int?, pull: @escaping Pull) {
        self.init(size: size, trailingDigest: nil, pull: pull)
    }

    /// Bytes at hand, of a sender who tells their digest behind them.
    package init(_ bytes: [UInt8], trailingDigest: (@Sendable () -> Digest?)?) {
        source = .bytes(bytes)
        size = bytes.count
        self.trailingDigest = trailingDigest
    }

    package init(size: Int?, trailingDigest: (@Sendable () -> Digest?)?, pull: @escaping Pull) {
        source = .stream(pull)
        self.size = size
        self.trailingDigest = trailingDigest
    }

    /// The bytes, where they are at hand already.
    package var bytesAtHand: [UInt8]? {
        if case .bytes(let bytes) = source { bytes } else { nil }
    }

    /// Gives the chunks one after the other: what a layer wraps to change or watch a body. In place of an iterator.
    package var pull: Pull {
        switch source {
        case .stream(let pull): return pull
        case .bytes(let bytes):
            let rest = Mutex(bytes)
            return { () async throws(StorageError) in
                rest.withLock { rest in
                    defer { rest = [] }
                    return rest.isEmpty ? nil : rest
                }
            }
        }
    }

    /// As much memory is taken at once for a body of any size: what it is said to be it need not be.
    private static let mostReserved = 32 << 20

    /// Reads everything into memory.
    ///
    /// - Throws: ``StorageError`` of kind `tooLarge` as soon as there are more than `limit` bytes, or what the stream
    ///   throws.
    public func collect(upTo limit: Int) async throws(StorageError) -> [UInt8] {
        if let bytes = bytesAtHand, bytes.count <= limit { return bytes }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Swift.min(Swift.max(0, size ?? 0), limit, Self.mostReserved))
        var iterator = makeAsyncIterator()
        while let chunk = try await iterator.next() {
            guard bytes.count + chunk.count <= limit else {
                throw StorageError(.tooLarge, "the body has more than \(limit) bytes; read it as a stream")
            }
            bytes += chunk
        }
        return bytes
    }
}

extension ObjectBody: AsyncSequence {
    public typealias Element = [UInt8]
    public typealias Failure = StorageError

    /// Reads the chunks in order.
    public struct AsyncIterator: AsyncIteratorProtocol {
        public typealias Failure = StorageError

        private var source: Source?

        fileprivate init(_ source: Source) {
            self.source = source
        }

        /// The next chunk, or nil at the end.
        public mutating func next() async throws(StorageError) -> [UInt8]? {
            switch source {
            case nil:
                return nil
            case .bytes(let bytes):
                source = nil
                return bytes.isEmpty ? nil : bytes
            case .stream(let pull):
                do {
                    if let chunk = try await pull() { return chunk }
                    source = nil
                    return nil
                } catch {
                    source = nil
                    throw error
                }
            }
        }
    }

    /// An iterator; of a stream there must be only one.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(source)
    }
}

/// An object as a get returns it.
public struct StoredObject: Sendable {
    /// The info of the version that the body belongs to.
    public var info: ObjectInfo
    /// Which of the object's bytes the body holds.
    public var range: Range<Int>
    /// The bytes. A whole object is verified against its digest before its end is told.
    public var body: ObjectBody

    /// An object of these parts.
    public init(info: ObjectInfo, range: Range<Int>, body: ObjectBody) {
        self.info = info
        self.range = range
        self.body = body
    }
}
