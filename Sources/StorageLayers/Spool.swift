import Storage

/// Bytes that have to be known whole before they are put: in memory as long as they are few, then in a temporary file.
struct Spool {
    private static let memory = 1 << 20

    private var bytes: [UInt8] = []
    private var file: SpoolFile?
    private(set) var count = 0

    /// Appends.
    ///
    /// - Throws: `unavailable` where the file can't be written.
    mutating func append(_ chunk: [UInt8]) async throws(StorageError) {
        count += chunk.count
        if bytes.isEmpty { bytes = chunk } else { bytes += chunk }
        guard file != nil || count > Self.memory else { return }
        if file == nil { file = try await SpoolFile.make() }
        // Larger writes than the chunks may be.
        guard bytes.count >= Self.memory else { return }
        try await flush()
    }

    /// All of it, to be put.
    mutating func body() async throws(StorageError) -> ObjectBody {
        try await flush()
        guard let file else { return ObjectBody(bytes) }
        return ObjectBody(size: count, pull: file.pull())
    }

    private mutating func flush() async throws(StorageError) {
        guard let file, !bytes.isEmpty else { return }
        try await file.append(bytes)
        bytes = []
    }
}
