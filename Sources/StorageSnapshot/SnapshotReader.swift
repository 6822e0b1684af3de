public import Storage

/// Reads a snapshot from its beginning, line by line.
public actor SnapshotReader {
    private let pull: ObjectBody.Pull
    private var buffer: [UInt8] = []
    /// Where the next line begins in the buffer, and how far its end was looked for.
    private var start = 0
    private var searched = 0
    private var isAtEnd = false
    private var number = 0
    private var next: Snapshot.Line?
    /// What the last line said, when it was read.
    public private(set) var statistics: Snapshot.Statistics?

    /// The snapshot that these bytes are.
    public init(_ body: ObjectBody) {
        pull = body.pull
    }

    /// What it begins with; asked for first.
    ///
    /// - Throws: `invalid` where it is no snapshot, or one of a newer format.
    public func header() async throws(StorageError) -> Snapshot.Header {
        guard case .header(let header) = try await line() else {
            throw StorageError(.invalid, "this is no snapshot: its first line does not say so")
        }
        guard (1...Snapshot.format).contains(header.format) else {
            throw StorageError(
                .invalid, "the snapshot has format \(header.format); this program reads 1…\(Snapshot.format)")
        }
        return header
    }

    /// The next object's info, whatever is left of the one before; nil behind the last.
    ///
    /// - Throws: `invalid` where the snapshot is damaged or ends before its last line.
    public func object() async throws(StorageError) -> ObjectInfo? {
        while true {
            switch try await take() {
            case .object(let info): return info
            case .data, .discard: continue
            case .statistics(let statistics):
                self.statistics = statistics
                return nil
            case .header: throw damaged("a second header")
            case nil: throw damaged("it ends here, before its last line")
            }
        }
    }

    /// Whether the object is taken back here.
    func isDiscarded() async throws(StorageError) -> Bool {
        if case .discard = try await peek() { true } else { false }
    }

    /// Whether the object is taken back behind its data, which is passed over.
    func isTakenBack() async throws(StorageError) -> Bool {
        while case .data = try await peek() { next = nil }
        return try await isDiscarded()
    }

    /// The next bytes of the object; nil behind the last.
    ///
    /// - Throws: ``discarded`` where the object is taken back.
    func chunk() async throws(StorageError) -> [UInt8]? {
        switch try await peek() {
        case .data(let bytes):
            next = nil
            return bytes
        case .discard: throw Self.discarded
        default: return nil
        }
    }

    static let discarded = StorageError(.invalid, "the object is taken back, and follows again")

    private func peek() async throws(StorageError) -> Snapshot.Line? {
        if next == nil { next = try await line() }
        return next
    }

    private func take() async throws(StorageError) -> Snapshot.Line? {
        defer { next = nil }
        return try await peek()
    }

    private func line() async throws(StorageError) -> Snapshot.Line? {
        while true {
            guard let bytes = try await rawLine() else { return nil }
            number += 1
            guard !bytes.isEmpty else { continue }
            do throws(StorageError) {
                return try Snapshot.decode(bytes)
            } catch {
                throw damaged(error.message)
            }
        }
    }

    private func damaged(_ reason: String) -> StorageError {
        StorageError(.invalid, "the snapshot is damaged at line \(number): \(reason)")
    }

    private func rawLine() async throws(StorageError) -> [UInt8]? {
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { (start, searched) = (end + 1, end + 1) }
                return Array(buffer[start..<end])
            }
            searched = buffer.count
            guard !isAtEnd else {
                guard start < buffer.count else { return nil }
                defer { start = buffer.count }
                return Array(buffer[start...])
            }
            guard buffer.count - start <= Snapshot.maximumLine else { throw damaged("a line of more than 64 MiB") }
            buffer.removeFirst(start)
            (start, searched) = (0, buffer.count)
            if let chunk = try await pull() { buffer += chunk } else { isAtEnd = true }
        }
    }
}
