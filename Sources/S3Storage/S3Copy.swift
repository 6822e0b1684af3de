import Encodings
import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

extension S3Bucket {
    /// S3 copies no more at once.
    private static let largestCopy = 5 << 30
    /// So often an object that is replaced meanwhile is tried again.
    private static let rounds = 10

    /// Replaces the attributes of an object and nothing else.
    func setAttributes(
        _ key: ObjectKey, _ attributes: ObjectAttributes, _ precondition: Precondition
    ) async throws(StorageError) -> ObjectInfo {
        guard abilities.compareAndSwap else {
            throw unsupported("If-Match, without which a change of metadata could undo another's write")
        }
        var failed: (version: Version, error: StorageError)?
        for _ in 0..<Self.rounds {
            guard let found = try await head(key) else { throw .notFound(key) }
            // What fails though nobody was faster fails again.
            if let failed, failed.version == found.version { throw failed.error }
            try precondition.check(found.version, of: key)
            do throws(StorageError) {
                return try await replace(found, attributes)
            } catch {
                // Perhaps another was faster. Unconditionally, its object gets the attributes.
                let isRace = [.preconditionFailed, .notFound, .unavailable].contains(error.kind)
                guard isRace, precondition == .none, !Task.isCancelled else { throw error }
                failed = (found.version, error)
            }
        }
        throw StorageError(.unavailable, "“\(key)” is replaced faster than its attributes can be; try again")
    }

    private func replace(
        _ found: ObjectInfo, _ attributes: ObjectAttributes
    ) async throws(StorageError) -> ObjectInfo {
        let isLarge = found.size > configuration.partSize
        if isLarge && abilities.conditionalCopy || found.size > Self.largestCopy {
            return try await copy(found, to: found.key, attributes, isSwap: true)
        }
        // Small, or the server can't copy so, it is written again, on the condition that it is still the same: atomic
        // wherever swaps are.
        let object = try await get(found.key, GetOptions(ifMatch: found.version))
        let options = PutOptions(
            precondition: .matches(found.version), attributes: attributes, expectedDigest: found.digest)
        return try await S3Put(self, found.key, options).run(object.body, S3Version(found.version)?.condition ?? [])
    }

    /// Copies an object of the version found, on the server.
    ///
    /// - Parameter isSwap: whether it is to be what is replaced as well.
    func copy(
        _ found: ObjectInfo, to key: ObjectKey, _ attributes: ObjectAttributes, isSwap: Bool = false
    ) async throws(StorageError) -> ObjectInfo {
        guard found.size <= Self.largestCopy else {
            throw StorageError(.unsupported, "S3 copies at most 5 GiB at once; “\(found.key)” has \(found.size) bytes")
        }
        let precondition = isSwap ? Precondition.matches(found.version) : .none
        let put = try S3Put(self, key, PutOptions(precondition: precondition, attributes: attributes))
        let condition = S3Version(found.version)?.condition ?? []
        let source = "/" + configuration.bucket + "/" + (try fullKey(found.key))
        var request = S3Request(.put, put.fullKey)
        request.headers = try put.headers(digest: found.digest)
        request.headers += [
            ("x-amz-copy-source", PercentEncoding.encode(source, keepingSlashes: true)),
            ("x-amz-metadata-directive", "REPLACE"),
        ]
        request.headers += condition.map { ("x-amz-copy-source-" + $0.0, $0.1) } + (isSwap ? condition : [])
        do throws(S3Failure) {
            let (document, response) = try await client.document(request)
            guard let etag = document.text("ETag").map(ETag.bare), !etag.isEmpty else {
                throw S3Failure(nonsense: "a copy without an ETag")
            }
            let modified = ServerTime.http(response.date) ?? .now
            return ObjectInfo(
                key: key, size: found.size,
                version: S3Version(etag: etag, token: put.token, modified: modified).version, digest: found.digest,
                modified: modified, attributes: attributes)
        } catch {
            if isSwap { return try await put.settle(error, size: found.size, found.digest) }
            if error.isMissing { throw .notFound(found.key) }
            guard error.isPrecondition else { throw error.error(bucket: configuration.bucket) }
            let current = try await head(found.key)?.version
            throw .preconditionFailed(key: found.key, .matches(found.version), current: current)
        }
    }
}
