import Encodings
import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

extension S3Bucket {
    /// S3 copies no more at once.
    private static let largestCopy = 5 << 30

    /// Replaces the attributes of an object and nothing else.
    func setAttributes(
        _ key: ObjectKey, _ attributes: ObjectAttributes, _ precondition: Precondition
    ) async throws(StorageError) -> ObjectInfo {
        guard abilities.compareAndSwap else {
            throw unsupported("If-Match, without which a change of metadata could undo another's write")
        }
        while true {
            guard let found = try await head(key) else { throw .notFound(key) }
            try precondition.check(found.version, of: key)
            do throws(StorageError) {
                return try await replace(found, attributes, precondition)
            } catch {
                // Another was faster. Unconditionally, its object gets the attributes.
                let isRace = [.preconditionFailed, .notFound, .unavailable].contains(error.kind) && error.cause == nil
                guard isRace, precondition == .none, !Task.isCancelled else { throw error }
            }
        }
    }

    private func replace(
        _ found: ObjectInfo, _ attributes: ObjectAttributes, _ precondition: Precondition
    ) async throws(StorageError) -> ObjectInfo {
        guard found.size <= configuration.partSize else {
            guard precondition == .none || abilities.conditionalCopy else {
                throw unsupported("x-amz-copy-source-if-match")
            }
            return try await copy(found, to: found.key, attributes)
        }
        // A small object is written again, on the condition that it is still the same: atomic wherever swaps are.
        let object = try await get(found.key, GetOptions(ifMatch: found.version))
        let bytes = try await object.body.collect(upTo: configuration.partSize)
        let options = PutOptions(
            precondition: .matches(found.version), attributes: attributes, expectedDigest: found.digest)
        return try await S3Put(self, found.key, options).run(ObjectBody(bytes))
    }

    /// Copies an object of the version found, on the server.
    func copy(
        _ found: ObjectInfo, to key: ObjectKey, _ attributes: ObjectAttributes
    ) async throws(StorageError) -> ObjectInfo {
        guard found.size <= Self.largestCopy else {
            throw StorageError(.unsupported, "S3 copies at most 5 GiB at once; “\(found.key)” has \(found.size) bytes")
        }
        let put = try S3Put(self, key, PutOptions(attributes: attributes))
        let source = "/" + configuration.bucket + "/" + (try fullKey(found.key))
        var request = S3Request(.put, put.fullKey)
        request.headers = try put.headers(digest: found.digest)
        request.headers += [
            ("x-amz-copy-source", PercentEncoding.encode(source, keepingSlashes: true)),
            ("x-amz-metadata-directive", "REPLACE"),
            ("x-amz-copy-source-if-match", ETag.quoted(S3Version(found.version)?.etag ?? "")),
        ]
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
            if error.isMissing { throw .notFound(found.key) }
            guard error.isPrecondition else { throw error.error(bucket: configuration.bucket) }
            let current = try await head(found.key)?.version
            throw .preconditionFailed(key: found.key, .matches(found.version), current: current)
        }
    }
}
