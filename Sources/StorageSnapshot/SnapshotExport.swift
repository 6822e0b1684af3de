import Encodings
import FoundationEssentials
public import Storage

extension Snapshot {
    /// What is exported.
    public struct Export: Sendable {
        /// Keys that begin with these bytes; empty: all.
        public var prefix = ""
        /// Whether the objects' bytes are wanted beside their infos.
        public var includesData = true

        /// Everything.
        public init() {}
    }

    /// Writes a store's objects as a snapshot, holding no more of them in memory than the store's own chunks.
    ///
    /// Each object is whole; the snapshot is not of one moment: what changes while it is written is in it before or after
    /// its change. An object that breaks off is taken back and read again, three times.
    ///
    /// - Parameters:
    ///   - store: where the objects are.
    ///   - export: which of them.
    ///   - write: takes the next bytes; one call waits for the other.
    ///   - progress: told after each object.
    /// - Returns: what was written.
    /// - Throws: what the store or `write` throws; what was written is no whole snapshot then.
    public static func export(
        _ store: any Store, _ export: Export = Export(), progress: (Statistics) -> Void = { _ in },
        to write: ([UInt8]) async throws(StorageError) -> Void
    ) async throws(StorageError) -> Statistics {
        let header = Header(
            format: format, exported: RFC3339.format(.now), prefix: export.prefix, data: export.includesData)
        try await write(encode(.header(header)))
        var statistics = Statistics()
        for try await page in store.pages(ListQuery(prefix: export.prefix, details: !export.includesData)) {
            for info in page.objects ?? [] {
                try await write(encode(.object(info)))
                statistics.count(info)
                progress(statistics)
            }
            for key in export.includesData ? page.keys : [] {
                if let info = try await Self.object(key, in: store, to: write) {
                    statistics.count(info)
                } else {
                    statistics.skipped += 1
                }
                progress(statistics)
            }
        }
        statistics.finished = RFC3339.format(.now)
        try await write(encode(.statistics(statistics)))
        return statistics
    }

    /// Writes an object with its bytes; nil where it is gone.
    private static func object(
        _ key: ObjectKey, in store: any Store, to write: ([UInt8]) async throws(StorageError) -> Void
    ) async throws(StorageError) -> ObjectInfo? {
        var attempts = 3
        while true {
            let object: StoredObject
            do throws(StorageError) {
                object = try await store.get(key)
            } catch {
                if error.kind == .notFound { return nil }
                throw error
            }
            try await write(encode(.object(object.info)))
            guard let failure = try await body(object.body, to: write) else { return object.info }
            try await write(encode(.discard(key.rawValue)))
            attempts -= 1
            guard failure.errorClass == .transient, failure.kind != .cancelled, attempts > 0 else { throw failure }
        }
    }

    /// Writes a body; the error that it ended with, if any.
    private static func body(
        _ body: ObjectBody, to write: ([UInt8]) async throws(StorageError) -> Void
    ) async throws(StorageError) -> StorageError? {
        var iterator = body.makeAsyncIterator()
        while true {
            let bytes: [UInt8]?
            do throws(StorageError) {
                bytes = try await iterator.next()
            } catch {
                return error
            }
            guard let bytes else { return nil }
            for start in stride(from: 0, to: bytes.count, by: chunk) {
                try await write(encode(.data(Array(bytes[start..<min(start + chunk, bytes.count)]))))
            }
        }
    }
}

extension Snapshot.Statistics {
    fileprivate mutating func count(_ info: ObjectInfo) {
        objects += 1
        bytes.addSize(info.size)
    }
}
