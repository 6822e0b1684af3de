import HTTP
import HTTPStorage
import Storage

extension S3Bucket {
    /// The object under the key, or a range of it.
    ///
    /// - Parameter versionID: of a versioned bucket, the one wanted; nil: the current one.
    func get(
        _ key: ObjectKey, _ options: GetOptions, versionID: String? = nil
    ) async throws(StorageError) -> StoredObject {
        if let version = options.ifMatch, S3Version(version) == nil {
            _ = try await current(key, ifMatch: version)
        }
        var request = S3Request(.get, try fullKey(key), query: Self.query(versionID))
        request.headers = [("x-amz-checksum-mode", "ENABLED")]
        if let range = options.range { request.headers.append(("range", range.description)) }
        if let version = options.ifMatch.flatMap(S3Version.init) {
            request.headers.append(("if-match", ETag.quoted(version.etag)))
        }
        do throws(S3Failure) {
            let response = try await client.send(request)
            return try object(key, options, response, versionID)
        } catch {
            return try await explain(error, key, options, versionID)
        }
    }

    static func query(_ versionID: String?) -> [(String, String)] {
        versionID.map { [("versionId", $0)] } ?? []
    }

    private func object(
        _ key: ObjectKey, _ options: GetOptions, _ response: S3Response, _ versionID: String?
    ) throws(S3Failure) -> StoredObject {
        guard let (range, size) = Self.extent(response),
            let info = ObjectHeaders.info(key, response.headers, size: size)
        else { throw S3Failure(nonsense: "an object without a size, range or ETag") }
        do throws(StorageError) {
            if let version = options.ifMatch, version != info.version {
                throw .preconditionFailed(key: key, .matches(version), current: info.version)
            }
            let wanted = try options.range?.resolve(size: size) ?? 0..<size
            guard range == wanted else {
                throw StorageError(.unsupported, "the server gave bytes \(range) of \(size) instead of \(wanted)")
            }
            let full = try fullKey(key)
            let etag = S3Version(info.version)?.etag ?? ""
            let reader = ObjectReader<S3Failure>(
                response.body, range: range, digest: range.count == size ? info.digest : nil, bucket: client.bucket,
                base: client.retryBase
            ) { [self] (rest) async throws(S3Failure) in try await reopen(full, versionID, etag, rest) }
            let body = ObjectBody(size: range.count) { () async throws(StorageError) in try await reader.next() }
            return StoredObject(info: info, range: range, body: body)
        } catch {
            throw S3Failure(refusal: error)
        }
    }

    /// The rest of a body that broke, of the same object.
    private func reopen(
        _ key: String, _ versionID: String?, _ etag: String, _ rest: Range<Int>
    ) async throws(S3Failure) -> HTTPResponseBody {
        var request = S3Request(.get, key, query: Self.query(versionID))
        request.headers = [
            ("range", "bytes=\(rest.lowerBound)-\(rest.upperBound - 1)"), ("if-match", ETag.quoted(etag)),
        ]
        let response = try await client.send(request)
        // A server may ignore the condition.
        guard response.etag == etag else { throw S3Failure(refusal: .replacedWhileRead) }
        guard let (range, _) = Self.extent(response), range == rest else {
            throw S3Failure(nonsense: "another range than was asked for")
        }
        return response.body
    }

    /// Which bytes of how many an answer holds.
    static func extent(_ response: S3Response) -> (Range<Int>, size: Int)? {
        // Some servers answer a range with 200.
        guard let text = response.headers["Content-Range"] else {
            guard response.status != 206, let size = response.headers["Content-Length"].flatMap({ Int($0) }), size >= 0
            else { return nil }
            return (0..<size, size)
        }
        // bytes 0-99/1000
        guard text.hasPrefix("bytes ") else { return nil }
        let numbers = text.dropFirst(6).split { $0 == "-" || $0 == "/" }.map { Int($0) }
        guard numbers.count == 3, let first = numbers[0], let last = numbers[1], let size = numbers[2],
            first <= last, last < size
        else { return nil }
        return (first..<last + 1, size)
    }

    /// Throws what the failure of a get stands for. Some servers refuse a range that reaches beyond the object: that one
    /// is asked for once more, cut to size.
    private func explain(
        _ failure: S3Failure, _ key: ObjectKey, _ options: GetOptions, _ versionID: String?
    ) async throws(StorageError) -> StoredObject {
        if failure.isMissing { throw .notFound(key) }
        let error = failure.error(bucket: configuration.bucket)
        guard versionID == nil, failure.refusal == nil, failure.isPrecondition || error.kind == .rangeNotSatisfiable
        else { throw error }
        let info = try await current(key, ifMatch: options.ifMatch)
        if let range = try options.range?.resolve(size: info.size) {
            let cut = ByteRange.bounded(first: range.lowerBound, last: range.upperBound - 1)
            if cut != options.range { return try await get(key, GetOptions(range: cut, ifMatch: info.version)) }
        }
        throw StorageError(.unavailable, "“\(key)” was replaced meanwhile; read it again")
    }
}
