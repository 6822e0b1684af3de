import HTTP
import HTTPStorage
import Storage

/// A large object in parts, several at once. Nothing is visible before the last step; what fails or is cancelled
/// before is aborted.
struct S3Multipart: Sendable {
    private struct Part: Sendable {
        let number: Int
        let etag: String
    }

    let put: S3Put
    let sizes: PartSizes

    private var client: S3Client { put.bucket.client }

    /// Stores `chunks`, which are the first parts, and what `reader` still gives.
    func run(
        _ chunks: [[UInt8]], _ reader: inout BodyReader, _ condition: [(String, String)]
    ) async throws(StorageError) -> ObjectInfo {
        // Not cancelled with the caller: the server may have made the upload, and only the answer tells its id.
        let begun = await Task { await begin() }.value
        let id = try begun.get()
        do throws(StorageError) {
            let parts = try await upload(chunks, &reader, id)
            let digest = try await reader.finish(expected: put.options.expectedDigest)
            if Task.isCancelled { throw StorageError.cancelled }
            return try await complete(parts, id, reader.count, digest, condition)
        } catch {
            let (client, key) = (client, put.fullKey)
            // Not cancelled with the caller: what was uploaded has to go.
            _ = await Task { await Self.abort(client, key, id) }.value
            throw error
        }
    }

    private func begin() async -> Result<String, StorageError> {
        do throws(StorageError) {
            return .success(try await put.bucket.mapped { () async throws(S3Failure) in try await initiate() })
        } catch {
            return .failure(error)
        }
    }

    private func initiate() async throws(S3Failure) -> String {
        var request = S3Request(.post, put.fullKey, query: [("uploads", "")])
        do throws(StorageError) {
            request.headers = try put.headers(digest: put.options.expectedDigest)
        } catch {
            throw S3Failure(refusal: error)
        }
        request.timeout = S3Bucket.shortTimeout
        let (document, _) = try await client.document(request)
        guard let id = document.text("UploadId"), !id.isEmpty else {
            throw S3Failure(nonsense: "an upload without an id")
        }
        return id
    }

    private func upload(
        _ chunks: [[UInt8]], _ reader: inout BodyReader, _ id: String
    ) async throws(StorageError) -> [Part] {
        var waiting = chunks[...]
        let limit = put.bucket.configuration.parallelParts
        let result = await withTaskGroup(of: Result<Part, StorageError>.self) { group in
            var parts: [Part] = []
            var number = 0
            do throws(StorageError) {
                while true {
                    if number - parts.count >= limit, let ended = await group.next() { parts.append(try ended.get()) }
                    let size = sizes[number + 1]
                    var chunk = waiting.popFirst()
                    if chunk == nil { chunk = try await reader.next(size) }
                    guard let chunk else { break }
                    number += 1
                    guard number <= 10_000 else {
                        throw StorageError(.tooLarge, "the object needs more than 10,000 parts; raise part_size")
                    }
                    group.addTask { [number] in await self.upload(number, chunk, id) }
                }
                while let ended = await group.next() { parts.append(try ended.get()) }
                return Result<[Part], StorageError>.success(parts)
            } catch {
                group.cancelAll()
                return .failure(error)
            }
        }
        return try result.get().sorted { $0.number < $1.number }
    }

    private func upload(_ number: Int, _ bytes: [UInt8], _ id: String) async -> Result<Part, StorageError> {
        var request = S3Request(
            .put, put.fullKey, query: [("partNumber", String(number)), ("uploadId", id)])
        request.body = .bytes(bytes, digest: nil)
        do throws(S3Failure) {
            let response = try await client.head(request)
            guard let etag = response.etag else { throw S3Failure(nonsense: "a part without an ETag") }
            return .success(Part(number: number, etag: etag))
        } catch {
            return .failure(error.error(bucket: put.bucket.configuration.bucket))
        }
    }

    private func complete(
        _ parts: [Part], _ id: String, _ size: Int, _ digest: Digest, _ condition: [(String, String)]
    ) async throws(StorageError) -> ObjectInfo {
        let list = parts.map { part in
            "<Part><PartNumber>\(part.number)</PartNumber><ETag>\(XMLDocument.escape(ETag.quoted(part.etag)))</ETag></Part>"
        }
        let text = "<CompleteMultipartUpload>\(list.joined())</CompleteMultipartUpload>"
        let bytes = Array(text.utf8)
        var request = S3Request(.post, put.fullKey, query: [("uploadId", id)])
        request.headers = condition + [("content-type", "application/xml")]
        request.body = .bytes(bytes, digest: Digest(of: bytes))
        do throws(S3Failure) {
            let (document, response) = try await client.document(request)
            guard let etag = document.text("ETag").map(ETag.bare), !etag.isEmpty else {
                throw S3Failure(nonsense: "an upload completed without an ETag")
            }
            var info = put.info(etag: etag, response, size: size, digest)
            info.digest = digest
            return info
        } catch {
            return try await put.settle(error, size: size, digest)
        }
    }

    /// Whether the upload is gone.
    @discardableResult
    static func abort(_ client: S3Client, _ key: String, _ id: String) async -> Bool {
        var request = S3Request(.delete, key, query: [("uploadId", id)])
        request.timeout = S3Bucket.shortTimeout
        // Where it does not succeed the upload is found by its age later.
        do throws(S3Failure) {
            try await client.head(request)
            return true
        } catch {
            return error.isMissing
        }
    }
}
