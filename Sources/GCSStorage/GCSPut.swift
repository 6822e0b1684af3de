import Encodings
import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

/// One put: a small object in one request, a large one by a resumable upload. Either becomes visible at once and whole.
struct GCSPut: Sendable {
    let bucket: GCSBucket
    let key: ObjectKey
    let fullKey: String
    let options: PutOptions
    private let token = NUID.next()

    init(_ bucket: GCSBucket, _ key: ObjectKey, _ options: PutOptions) throws(StorageError) {
        self.bucket = bucket
        self.key = key
        self.options = options
        fullKey = try bucket.fullKey(key)
        if options.timeToLive != nil {
            throw StorageError(.unsupported, "Google Cloud Storage expires no single object; set a rule of the bucket")
        }
        if options.messageID != nil {
            throw StorageError(.unsupported, "Google Cloud Storage has no duplicate window for message ids")
        }
        _ = try resource(Digest(of: []))
    }

    func run(_ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        let condition = try await condition()
        var reader = BodyReader(body)
        let size = bucket.configuration.partSize
        let first = try await reader.next(size) ?? []
        guard first.count == size, let second = try await reader.next(size) else {
            let digest = try await reader.finish(expected: options.expectedDigest)
            if Task.isCancelled { throw .cancelled }
            return try await store(first, digest, condition)
        }
        return try await upload([first, second], &reader, condition)
    }

    private func resource(_ digest: Digest?) throws(StorageError) -> [UInt8] {
        let object = try GCSObject.encode(options.attributes, token: token, digest: digest)
        guard let data = try? JSONEncoder().encode(JSONValue.object(object)) else {
            throw StorageError(.invalid, "the attributes can't be written as JSON")
        }
        return Array(data)
    }

    private func condition() async throws(StorageError) -> [(String, String)] {
        switch options.precondition {
        case .none: return []
        case .absent: return [("ifGenerationMatch", "0")]
        case .matches(let version):
            if let version = GCSVersion(version) { return version.condition }
            throw .preconditionFailed(key: key, options.precondition, current: try await bucket.head(key)?.version)
        }
    }

    private func request(_ type: String, _ condition: [(String, String)]) -> GCSRequest {
        GCSRequest(
            .post, "/upload" + bucket.client.path(nil), [("uploadType", type), ("name", fullKey)] + condition)
    }

    private func store(
        _ bytes: [UInt8], _ digest: Digest, _ condition: [(String, String)]
    ) async throws(StorageError) -> ObjectInfo {
        // No boundary of 22 random characters occurs in the content.
        let boundary = NUID.next()
        let type = options.attributes.contentType ?? "application/octet-stream"
        guard type.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
            throw StorageError(.invalid, "“\(type.abbreviated)” is no content type")
        }
        var body = Array("--\(boundary)\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".utf8)
        body += try resource(digest)
        body += Array("\r\n--\(boundary)\r\nContent-Type: \(type)\r\n\r\n".utf8)
        body += bytes
        body += Array("\r\n--\(boundary)--\r\n".utf8)
        var request = request("multipart", condition)
        request.headers = ["Content-Type": "multipart/related; boundary=\(boundary)"]
        request.body = .bytes(body)
        do throws(GCSFailure) {
            return try info(try await bucket.client.json(request), digest)
        } catch {
            return try await settle(error, digest)
        }
    }

    private func info(_ object: JSONValue, _ digest: Digest) throws(GCSFailure) -> ObjectInfo {
        guard var info = GCSObject.info(key, object) else {
            throw GCSFailure(nonsense: "a write was answered by something else than an object")
        }
        info.digest = digest
        return info
    }

    /// After a failure: a request that was sent twice may have met itself, and an answer may have been lost.
    private func settle(_ failure: GCSFailure, _ digest: Digest) async throws(StorageError) -> ObjectInfo {
        let name = bucket.configuration.bucket
        let error = failure.error(bucket: name)
        let isRefused = failure.isPrecondition || failure.isMissing && options.precondition != .none
        // Of an upload that has ended, the session is missing.
        let isLost =
            failure.isMissing || failure.status == 410 || failure.mayHaveHappened || failure.earlier != nil
        guard isRefused || isLost, !Task.isCancelled else { throw error }
        let found: JSONValue?
        do throws(StorageError) { found = try await bucket.object(key) } catch let second {
            throw isRefused ? second : error
        }
        if let found, GCSObject.token(found) == token, var info = GCSObject.info(key, found) {
            info.digest = digest
            return info
        }
        guard isRefused else { throw failure.isMissing ? lost(failure) : error }
        let current = found.flatMap { GCSObject.info(key, $0) }?.version
        let refused = StorageError.preconditionFailed(key: key, options.precondition, current: current)
        throw failure.error(bucket: name, refused: refused)
    }

    // MARK: Large objects

    private func upload(
        _ chunks: [[UInt8]], _ reader: inout BodyReader, _ condition: [(String, String)]
    ) async throws(StorageError) -> ObjectInfo {
        // Not cancelled with the caller: the service may have begun the upload, and only the answer tells its session.
        let begun = await Task { await begin(condition) }.value
        let session: String
        do throws(GCSFailure) { session = try begun.get() } catch {
            // Begun twice, it still has written nothing.
            var failure = error
            failure.earlier = nil
            return try await settle(failure, Digest(of: []))
        }
        do throws(StorageError) {
            return try await send(chunks, &reader, to: session)
        } catch {
            let client = bucket.client
            // Not cancelled with the caller: what was uploaded has to go.
            await Task {
                var cancel = GCSRequest(.delete, session)
                cancel.accepts = [499, 404, 410]
                cancel.timeout = GCSClient.shortTimeout
                _ = try? await client.json(cancel)
            }.value
            throw error
        }
    }

    /// The URL of a new upload.
    private func begin(_ condition: [(String, String)]) async -> Result<String, GCSFailure> {
        var start = request("resumable", condition)
        start.headers = ["Content-Type": "application/json; charset=UTF-8"]
        start.timeout = GCSClient.shortTimeout
        do throws(StorageError) { start.body = .bytes(try resource(options.expectedDigest)) } catch {
            return .failure(GCSFailure(refusal: error))
        }
        do throws(GCSFailure) {
            let response = try await bucket.client.send(start)
            _ = try await GCSClient.collect(response.body, 1 << 20)
            guard let location = response.headers["Location"] else {
                throw GCSFailure(nonsense: "an upload without a session")
            }
            return .success(location)
        } catch {
            return .failure(error)
        }
    }

    /// Sends part after part; the last tells the whole size, and makes the object visible.
    private func send(
        _ chunks: [[UInt8]], _ reader: inout BodyReader, to session: String
    ) async throws(StorageError) -> ObjectInfo {
        var waiting = chunks[...]
        var part = waiting.popFirst()
        var offset = 0
        while let current = part {
            var next = waiting.popFirst()
            if next == nil { next = try await reader.next(bucket.configuration.partSize) }
            let isLast = next == nil
            let digest = isLast ? try await reader.finish(expected: options.expectedDigest) : nil
            if Task.isCancelled { throw .cancelled }
            do throws(GCSFailure) {
                let object = try await sendPart(
                    current, at: offset, total: isLast ? offset + current.count : nil, session)
                if let digest {
                    guard let object else { throw GCSFailure(nonsense: "an upload that ended without an object") }
                    return try info(object, digest)
                }
            } catch {
                guard let digest else { throw lost(error) }
                return try await settle(error, digest)
            }
            offset += current.count
            part = next
        }
        throw StorageError(.internal, "an upload of no part")
    }

    private func lost(_ failure: GCSFailure) -> StorageError {
        guard failure.isMissing || failure.status == 410 else {
            return failure.error(bucket: bucket.configuration.bucket)
        }
        return StorageError(
            .unavailable, "the service does not know the bucket or the upload any more; put the object again")
    }

    /// Sends one part, and what of it the service did not keep once more; the object, after the last.
    private func sendPart(
        _ bytes: [UInt8], at offset: Int, total: Int?, _ session: String
    ) async throws(GCSFailure) -> JSONValue? {
        var kept = 0
        var tries = 0
        while true {
            var request = GCSRequest(.put, session)
            let rest = kept == 0 ? bytes : Array(bytes[kept...])
            let size = total.map(String.init) ?? "*"
            request.headers = [
                "Content-Range": rest.isEmpty
                    ? "bytes */\(size)" : "bytes \(offset + kept)-\(offset + bytes.count - 1)/\(size)"
            ]
            request.body = .bytes(rest)
            request.accepts = [308]
            let response = try await bucket.client.send(request)
            let body = try await GCSClient.collect(response.body, 16 << 20)
            guard response.status == 308 else { return JSONValue.parse(body) }
            let keptEnd = Self.end(response.headers["Range"]) ?? -1
            // Compared before it is subtracted: a server may say any number.
            guard keptEnd >= offset, keptEnd - offset <= bytes.count, keptEnd - offset > kept || tries < 5 else {
                throw GCSFailure(nonsense: "an upload that keeps other bytes than were sent")
            }
            let end = keptEnd - offset
            tries = end > kept ? 0 : tries + 1
            kept = end
            if kept == bytes.count && total == nil { return nil }
        }
    }

    /// `bytes=0-99` says that 100 are kept; nothing, that none is; nil: no number says it.
    private static func end(_ range: String?) -> Int? {
        guard let range else { return 0 }
        guard let last = range.split(separator: "-").last.flatMap({ Int($0) }) else { return nil }
        let (end, isOver) = last.addingReportingOverflow(1)
        return isOver ? nil : end
    }
}
