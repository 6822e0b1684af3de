import FoundationEssentials
public import Storage

extension FileStore {
    /// How much of a stream is written by one job; bytes at hand up to this size are put by one.
    private static let chunk = 1 << 20

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            try root.checkOpen()
            try options.validate()
            let stored = try await store(key, body, options)
            expiries.learn(stored)
            return stored
        } catch {
            throw error.during(.put, key: key)
        }
    }

    private func store(
        _ key: ObjectKey, _ body: ObjectBody, _ options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        if let bytes = body.bytesAtHand, bytes.count <= Self.chunk {
            let upload = Upload(key: key, options: options, root: root, threads: threads, bytes: bytes)
            return try await commit(upload) { () throws(StorageError) in
                let digest = Digest(of: bytes)
                try body.check(digest, options.expectedDigest)
                return (bytes.count, digest)
            }
        }
        return try await put(body, Upload(key: key, options: options, root: root, threads: threads))
    }

    private func put(_ body: ObjectBody, _ upload: Upload) async throws(StorageError) -> ObjectInfo {
        var upload = upload
        do throws(StorageError) {
            var reader = BodyReader(body)
            while let chunk = try await reader.next(Self.chunk) { try await upload.append(chunk) }
            let (count, digest) = (reader.count, try await reader.finish(expected: upload.options.expectedDigest))
            return try await commit(upload) { (count, digest) }
        } catch {
            await upload.discard()
            throw error
        }
    }

    /// Writes what is left of the upload and makes it visible; `measure` tells, on an I/O thread, size and digest.
    private func commit(
        _ upload: Upload, _ measure: @escaping @Sendable () throws(StorageError) -> (size: Int, digest: Digest)
    ) async throws(StorageError) -> ObjectInfo {
        if Task.isCancelled { throw StorageError.cancelled }
        let (writes, now, sync) = (writes, now(), configuration.durability == .always)
        let prepare = { @Sendable () throws(StorageError) -> FileWrites.Draft in
            let (size, digest) = try measure()
            return try upload.prepared(upload.info(size: size, digest: digest, now: now), now: now, sync: sync)
        }
        guard configuration.durability == .batched else {
            return try await threads.run { () throws(StorageError) in try writes.commit(try prepare()) }
        }
        let draft = try await threads.run(prepare)
        do throws(StorageError) { try await groupCommit.flush() } catch {
            _ = try? await threads.run { draft.temporary.remove() }
            throw error
        }
        let stored = try await threads.run { () throws(StorageError) in try writes.commit(draft) }
        do throws(StorageError) { try await groupCommit.flush() } catch { throw error.afterCommit }
        return stored
    }
}
