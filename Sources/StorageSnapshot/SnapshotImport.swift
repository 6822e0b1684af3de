public import FoundationEssentials
public import Storage

extension Snapshot {
    /// How objects come into a store.
    public struct Import: Sendable {
        /// What happens where something is stored under a key already.
        public enum Existing: String, Sendable, Hashable, CaseIterable {
            /// It is replaced.
            case replace
            /// It stays.
            case keep
        }

        /// What happens to what is there.
        public var existing = Existing.replace
        /// Whether objects that expire are stored for ever; otherwise their time goes on, and what is over is left out.
        public var dropsExpiry = false
        /// Whether nothing is stored, only checked and counted.
        public var isDryRun = false

        /// Replacing what is there.
        public init() {}
    }

    /// What an import did.
    public struct ImportResult: Sendable, Hashable, Encodable {
        /// The objects stored.
        public internal(set) var stored = 0
        /// Their bytes.
        public internal(set) var bytes = 0
        /// Those that were there, and kept.
        public internal(set) var kept = 0
        /// Those whose time was over.
        public internal(set) var expired = 0
    }

    /// Stores the objects of a snapshot, each verified against its digest, holding a few lines of it in memory.
    ///
    /// An import that was interrupted is repeated with ``Import/Existing/keep``.
    ///
    /// - Parameters:
    ///   - body: the snapshot.
    ///   - store: where the objects go.
    ///   - options: how.
    ///   - progress: told after each object.
    ///   - now: the clock by which objects are over, asked for each: an import may take longer than they live.
    /// - Throws: `invalid` where the snapshot is damaged, has no data or is not whole; what the store's put throws. What was
    ///   stored before stays.
    public static func load(
        _ body: ObjectBody, into store: any Store, _ options: Import = Import(),
        progress: (ImportResult) -> Void = { _ in }, now: () -> Date = { .now }
    ) async throws(StorageError) -> ImportResult {
        let reader = SnapshotReader(body)
        guard try await reader.header().data else {
            throw StorageError(.invalid, "the snapshot holds infos alone, without the objects' data")
        }
        var (result, count) = (ImportResult(), 0)
        while let info = try await reader.object() {
            var next = result
            try await load(info, from: reader, into: store, options, now(), &next)
            // Taken back it counts for nothing: it follows again, or was gone.
            guard try await !reader.isTakenBack() else { continue }
            (result, count) = (next, count + 1)
            progress(result)
        }
        guard let said = await reader.statistics?.objects, said == count else {
            throw StorageError(.invalid, "the snapshot is damaged: it holds \(count) objects, but says otherwise")
        }
        return result
    }

    private static func load(
        _ info: ObjectInfo, from reader: SnapshotReader, into store: any Store, _ options: Import, _ now: Date,
        _ result: inout ImportResult
    ) async throws(StorageError) {
        guard options.dropsExpiry || !info.isExpired(at: now) else { return result.expired += 1 }
        do throws(StorageError) {
            if options.isDryRun {
                if options.existing == .keep, try await store.exists(info.key) { return result.kept += 1 }
                try await reader.check(info)
            } else {
                _ = try await store.put(
                    info.key, reader.body(of: info),
                    options: info.putAgain(keepingExpiry: !options.dropsExpiry, now: now, options.existing == .keep))
            }
        } catch {
            if error.kind == .preconditionFailed, options.existing == .keep { return result.kept += 1 }
            // Whatever the store made of it: where the object was taken back, it is not the store's failure.
            if case .some(true) = try? await reader.isDiscarded() { return }
            throw error
        }
        result.stored += 1
        result.bytes.addSize(info.size)
    }
}

extension SnapshotReader {
    /// The bytes of the object whose info was just read.
    nonisolated func body(of info: ObjectInfo) -> ObjectBody {
        ObjectBody(size: info.size) { () async throws(StorageError) in try await self.chunk() }
    }

    /// Reads the bytes of the object whose info was just read, and throws what a put would throw of them.
    nonisolated func check(_ info: ObjectInfo) async throws(StorageError) {
        do throws(StorageError) {
            var bytes = BodyReader(body(of: info))
            while try await bytes.next(Snapshot.chunk) != nil {}
            _ = try await bytes.finish(expected: info.digest)
        } catch {
            throw error.during(.put, key: info.key)
        }
    }
}

extension ObjectInfo {
    /// How to store the same object elsewhere.
    func putAgain(keepingExpiry: Bool, now: Date, _ isNew: Bool) -> PutOptions {
        PutOptions(
            precondition: isNew ? .absent : .none, attributes: attributes,
            timeToLive: keepingExpiry ? remainingTimeToLive(at: now) : nil, expectedDigest: digest)
    }
}
