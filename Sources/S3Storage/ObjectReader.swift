import Crypto
import HTTP
import Storage

/// Reads a body; where it breaks, goes on by range, as long as the object is the same.
actor ObjectReader {
    /// In a row, without a byte between.
    private static let maxAttempts = 5

    private let client: S3Client
    private let key: String
    private let versionID: String?
    private let etag: String
    private let end: Int
    private let digest: Storage.Digest?
    private var offset: Int
    private var body: HTTPResponseBody?
    private var hash: SHA256?
    private var failures = 0
    private let retries: RetryPolicy

    init(
        client: S3Client, key: String, versionID: String?, etag: String, range: Range<Int>, body: HTTPResponseBody,
        digest: Storage.Digest?
    ) {
        self.client = client
        retries = RetryPolicy(maxAttempts: Self.maxAttempts, base: client.retryBase)
        self.key = key
        self.versionID = versionID
        self.etag = etag
        self.body = body
        self.digest = digest
        offset = range.lowerBound
        end = range.upperBound
        hash = digest.map { _ in SHA256() }
    }

    /// The next bytes; nil at the end, after they were verified.
    func next() async throws(StorageError) -> [UInt8]? {
        while true {
            do throws(S3Failure) {
                if let chunk = try await read() { return chunk }
                try verify()
                return nil
            } catch {
                body = nil
                failures += 1
                if error.isPrecondition || error.isMissing { throw replaced }
                let failure = error.error(bucket: client.bucket)
                guard case .wait = error.remedy, let delay = retries.delay(after: failures, error.retryAfter) else {
                    throw failure
                }
                guard (try? await Task.sleep(for: delay)) != nil else { throw .cancelled }
            }
        }
    }

    private var replaced: StorageError {
        StorageError(.unavailable, "the object was replaced or deleted while it was read; read it again")
    }

    private func read() async throws(S3Failure) -> [UInt8]? {
        guard offset < end else {
            // Read to its end, the connection can be used again.
            if let rest = body { _ = try? await rest.next() }
            body = nil
            return nil
        }
        let source = if let body { body } else { try await reopen() }
        body = source
        do throws(HTTPError) {
            guard let chunk = try await source.next() else {
                throw HTTPError(.broken, .ifIdempotent, "the body ended \(end - offset) bytes early")
            }
            guard chunk.count <= end - offset else {
                throw HTTPError(.broken, .never, "the body has more bytes than its head says")
            }
            offset += chunk.count
            failures = 0
            hash?.update(chunk)
            return chunk
        } catch {
            throw S3Failure(error)
        }
    }

    private func reopen() async throws(S3Failure) -> HTTPResponseBody {
        var request = S3Request(.get, key, query: S3Bucket.query(versionID))
        request.headers = [("range", "bytes=\(offset)-\(end - 1)"), ("if-match", ETag.quoted(etag))]
        let response = try await client.send(request)
        // A server may ignore the condition.
        guard response.etag == etag else { throw S3Failure(refusal: replaced) }
        guard let (range, _) = S3Bucket.extent(response), range == offset..<end else {
            throw S3Failure(nonsense: "another range than was asked for")
        }
        return response.body
    }

    private func verify() throws(S3Failure) {
        guard let digest, let hash else { return }
        let found = Storage.Digest(hash.finalize())
        guard found == digest else {
            throw S3Failure(
                refusal: StorageError(.internal, "the object's bytes hash to \(found), not to its digest \(digest)"))
        }
    }
}
