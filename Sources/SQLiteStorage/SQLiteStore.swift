public import FoundationEssentials
public import Storage

/// Objects in one SQLite file, which any number of processes of one machine may share: small ones by the million, large
/// ones in chunks.
///
/// A put is one transaction, and the puts that wait together share one. With `durability: always` what is acknowledged
/// survives a power failure. Compare-and-swap and create-only hold among all processes, since one writes at a time.
///
/// A large object is uploaded chunk by chunk before it becomes visible; what an upload leaves that did not end is swept
/// after a grace. A body that is read while its object is replaced stays for a grace too; after that its reader is told
/// `unavailable`.
///
/// No call blocks one of Swift's threads: what lies in memory is read in place by calls that can't block, all else happens
/// on threads of the store's own. A full disk, or a file that others hold for too long, is `unavailable`; a
/// damaged file `internal`. The `cause` of an error is GRDB's.
public final class SQLiteStore: Store {
    /// How many chunks of an upload one transaction writes.
    private static let chunksAtOnce = 4
    /// The bytes of an object that a thread of Swift's own reads.
    private static let readAtOnce = 64 << 10

    private let configuration: SQLiteStoreConfiguration
    let connections: Connections
    let bodies: Bodies
    let now: @Sendable () -> Date
    let sweeps: Sweeps

    /// Opens the file, made where it is missing, and removes what was left behind in it, now and on a schedule.
    ///
    /// - Parameter now: the clock by which objects expire.
    /// - Throws: `invalid` for a file that is something else, `unavailable` for one that can't be written.
    public static func open(
        _ configuration: SQLiteStoreConfiguration, now: @escaping @Sendable () -> Date = { Date.now }
    ) async throws(StorageError) -> SQLiteStore {
        do throws(StorageError) {
            let store = SQLiteStore(configuration, try await Connections.open(configuration), now)
            _ = try await store.removeLeftovers()
            store.sweeps.start(every: configuration.sweepInterval) { [weak store] in
                _ = try? await store?.sweepOnSchedule()
            }
            return store
        } catch {
            throw error.during(.open)
        }
    }

    private init(
        _ configuration: SQLiteStoreConfiguration, _ connections: Connections, _ now: @escaping @Sendable () -> Date
    ) {
        self.configuration = configuration
        self.connections = connections
        self.now = now
        bodies = Bodies(connections: connections, grace: configuration.uploadGrace, now: now)
        sweeps = Sweeps()
    }

    public var capabilities: Capabilities { [.createOnly, .compareAndSwap, .timeToLive, .metadataUpdate, .messageID] }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            try connections.checkOpen()
            try options.validate()
            if let bytes = body.bytesAtHand, bytes.count <= Schema.chunk {
                let digest = Digest(of: bytes)
                try body.check(digest, options.expectedDigest)
                return try await commit(key, .inline(bytes), bytes.count, digest, options)
            }
            return try await putStream(key, body, options)
        } catch {
            throw error.during(.put, key: key)
        }
    }

    private func putStream(
        _ key: ObjectKey, _ body: ObjectBody, _ options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        let renewal = Renewal(bodies)
        var reader = BodyReader(renewal.renewing(body))
        let first = try await reader.next(Schema.chunk) ?? []
        guard let second = try await reader.next(Schema.chunk) else {
            let digest = try await reader.finish(expected: options.expectedDigest)
            return try await commit(key, .inline(first), reader.count, digest, options)
        }
        let number = try await bodies.begin()
        renewal.begin(number)
        do throws(StorageError) {
            try await upload(&reader, [first, second], to: number)
            let digest = try await reader.finish(expected: options.expectedDigest)
            let info = try await commit(key, .body(number), reader.count, digest, options)
            return info
        } catch {
            // Where this fails the sweep does it later.
            _ = try? await bodies.remove(number)
            throw error
        }
    }

    private func upload(_ reader: inout BodyReader, _ first: [[UInt8]], to number: Int64) async throws(StorageError) {
        var (chunks, written) = (first, 0)
        while true {
            let chunk = try await reader.next(Schema.chunk)
            if let chunk { chunks.append(chunk) }
            guard chunks.count == Self.chunksAtOnce || chunk == nil else { continue }
            try await bodies.append(chunks, to: number, at: written)
            written += chunks.count
            chunks = []
            if chunk == nil { return }
        }
    }

    private func commit(
        _ key: ObjectKey, _ content: Content, _ size: Int, _ digest: Digest, _ options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        if Task.isCancelled { throw StorageError.cancelled }
        let modified = Timestamp.kept(now())
        let info = ObjectInfo(
            key: key, size: size, version: .random(), digest: digest, modified: modified,
            expires: options.timeToLive.map { Timestamp.kept(modified.addingTimeInterval($0.seconds)) },
            attributes: options.attributes)
        let changes = changes
        let stored = try await connections.write { database in
            try changes.put(info, content, options, in: database)
        }
        // An earlier put of the same message id: these bytes are nobody's.
        if stored.version != info.version, case .body(let number) = content { _ = try? await bodies.remove(number) }
        return stored
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        do throws(StorageError) {
            let found = try await connections.read { connection in
                try connection.statement(.object).first(.text(key.rawValue)) { row in
                    if connection.isHurried && row.integer(2) > Self.readAtOnce { throw ReadConnection.TakesLong() }
                    return (try ObjectInfo(row, from: 0, of: key), row.optionalInteger(7), Array(row.bytes(8)))
                }
            }
            guard let found else { throw StorageError.notFound(key) }
            let info = try live(found.0, key, options.ifMatch)
            let range = try options.range?.resolve(size: info.size) ?? 0..<info.size
            let verify = configuration.verify && options.verify
            if let number = found.1 {
                let body = ReadBody.body(info, range, verify: verify) { [bodies] (rest) async throws(StorageError) in
                    try await bodies.read(rest, of: number, info)
                }
                return StoredObject(info: info, range: range, body: body)
            }
            let bytes = found.2
            guard bytes.count == info.size else { throw Bodies.damaged(info) }
            if verify { try info.check(Digest(of: bytes)) }
            let part = range.count == info.size ? bytes : Array(bytes[range])
            return StoredObject(info: info, range: range, body: ObjectBody(part))
        } catch {
            throw error.during(.get, key: key)
        }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            let found = try await connections.read { connection in
                try connection.statement(.info).first(.text(key.rawValue)) { try ObjectInfo($0, from: 0, of: key) }
            }
            guard let found else { throw StorageError.notFound(key) }
            return try live(found, key, options.ifMatch)
        } catch {
            throw error.during(.info, key: key)
        }
    }

    private func live(_ info: ObjectInfo, _ key: ObjectKey, _ ifMatch: Version?) throws(StorageError) -> ObjectInfo {
        // Most objects never expire: no need to ask for the time.
        if info.expires != nil && info.isExpired(at: now()) { throw .notFound(key) }
        try Precondition(ifMatch: ifMatch).check(info.version, of: key)
        return info
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            try options.validate()
            if Task.isCancelled { throw StorageError.cancelled }
            let changes = changes
            return try await connections.write { database in
                try changes.delete(key, options.precondition, in: database)
            }
        } catch {
            throw error.during(.delete, key: key)
        }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try query.validate()
        do throws(StorageError) {
            let listing = Listing(query: query, now: Timestamp.microseconds(now()))
            return try await connections.read { connection in try listing.page(&connection) }
        } catch {
            throw error.during(.list)
        }
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            if Task.isCancelled { throw StorageError.cancelled }
            let changes = changes
            return try await connections.write { database in
                try changes.setAttributes(key, attributes, options.precondition, in: database)
            }
        } catch {
            throw error.during(.setMetadata, key: key)
        }
    }

    var changes: Changes { Changes(now: now(), readerGrace: configuration.readerGrace) }

    public func shutdown() async {
        sweeps.stop()
        await connections.close()
    }
}

extension SQLiteStore: LocalStore {}
