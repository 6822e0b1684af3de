import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

/// One put: a small object in one request, a large one in parts. Either becomes visible at once and whole.
struct S3Put: Sendable {
    let bucket: S3Bucket
    let key: ObjectKey
    let fullKey: String
    let options: PutOptions
    /// Makes the version unique, and tells our own write from another's.
    let token = NUID.next()

    init(_ bucket: S3Bucket, _ key: ObjectKey, _ options: PutOptions) throws(StorageError) {
        self.bucket = bucket
        self.key = key
        self.options = options
        fullKey = try bucket.fullKey(key)
        if options.timeToLive != nil {
            throw StorageError(.unsupported, "S3 expires no single object; set a rule of the bucket")
        }
        if options.messageID != nil { throw StorageError(.unsupported, "S3 has no duplicate window for message ids") }
        // Before anything is read: whether the metadata fit, with the longest additions.
        if options.attributes != ObjectAttributes() { _ = try headers(digest: Digest(of: [])) }
    }

    func run(_ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        try await run(body, try await condition())
    }

    /// - Parameter condition: the headers of the precondition, once the whole version was compared.
    func run(_ body: ObjectBody, _ condition: [(String, String)]) async throws(StorageError) -> ObjectInfo {
        var reader = BodyReader(body)
        let sizes = PartSizes(configured: bucket.configuration.partSize, total: body.size)
        let first = try await reader.next(sizes[1]) ?? []
        guard first.count == sizes[1], let second = try await reader.next(sizes[2]) else {
            let digest = try await reader.finish(expected: options.expectedDigest)
            return try await store(.bytes(first, digest: digest), size: first.count, digest, condition)
        }
        if options.precondition == .absent, let found = try await bucket.head(key) {
            throw .preconditionFailed(key: key, .absent, current: found.version)
        }
        guard condition.isEmpty || bucket.abilities.conditionalMultipart else {
            return try await spool([first, second], &reader, condition)
        }
        return try await S3Multipart(put: self, sizes: sizes).run([first, second], &reader, condition)
    }

    /// The headers of the precondition. S3 compares the ETag only, so the whole version is compared here before: what
    /// slips through between is an object of the same bytes.
    private func condition() async throws(StorageError) -> [(String, String)] {
        switch options.precondition {
        case .none: return []
        case .absent:
            guard bucket.abilities.createOnly else { throw bucket.unsupported("If-None-Match on PUT") }
            return [("if-none-match", "*")]
        case .matches(let version):
            guard bucket.abilities.compareAndSwap else { throw bucket.unsupported("If-Match on PUT") }
            let found = try await bucket.head(key)
            guard found?.version == version, let parts = S3Version(version) else {
                throw .preconditionFailed(key: key, options.precondition, current: found?.version)
            }
            return parts.condition
        }
    }

    /// Attributes, token and whatever the configuration asks for.
    func headers(digest: Digest?) throws(StorageError) -> [(String, String)] {
        var headers = try ObjectHeaders.encode(options.attributes, token: token, digest: digest)
        let configuration = bucket.configuration
        if let storageClass = configuration.storageClass { headers.append(("x-amz-storage-class", storageClass)) }
        if let encryption = configuration.serverSideEncryption {
            headers.append(("x-amz-server-side-encryption", encryption))
        }
        if let key = configuration.kmsKeyID { headers.append(("x-amz-server-side-encryption-aws-kms-key-id", key)) }
        return headers
    }

    /// Stores the object by one request.
    private func store(
        _ body: S3Request.Body, size: Int, _ digest: Digest, _ condition: [(String, String)]
    ) async throws(StorageError) -> ObjectInfo {
        if Task.isCancelled { throw .cancelled }
        var request = S3Request(.put, fullKey)
        request.headers = try headers(digest: digest) + condition
        request.headers.append(("x-amz-checksum-sha256", Data(digest.bytes).base64EncodedString()))
        request.body = body
        do throws(S3Failure) {
            let response = try await bucket.client.head(request)
            guard let etag = response.etag else { throw S3Failure(nonsense: "a put without an ETag") }
            return info(etag: etag, response, size: size, digest)
        } catch {
            return try await settle(error, size: size, digest)
        }
    }

    func info(etag: String, _ response: S3Response, size: Int, _ digest: Digest) -> ObjectInfo {
        let modified = ServerTime.http(response.date) ?? .now
        return ObjectInfo(
            key: key, size: size, version: S3Version(etag: etag, token: token, modified: modified).version,
            digest: digest, modified: modified, attributes: options.attributes)
    }

    /// After a failure: a request that was sent twice, by this client or by the library beneath, may have met itself,
    /// and an answer may have been lost. What is there tells.
    func settle(_ failure: S3Failure, size: Int, _ digest: Digest?) async throws(StorageError) -> ObjectInfo {
        let name = bucket.configuration.bucket
        let error = failure.error(bucket: name)
        let isRefused = failure.isPrecondition || failure.isMissing && options.precondition != .none
        let isLost = failure.isMissing || failure.mayHaveHappened || failure.earlier != nil
        guard isRefused || isLost, !Task.isCancelled else { throw error }
        let found: ObjectInfo?
        do throws(StorageError) { found = try await bucket.head(key) } catch let second {
            throw isRefused ? second : error
        }
        if let found, S3Version(found.version)?.mark == token {
            var info = found
            if let digest { info.digest = digest }
            return info
        }
        guard isRefused else {
            // To who tries again it matters that it may have happened.
            let isSettled = ![.transient, .notFound].contains(error.errorClass)
            throw isSettled ? error : failure.earlier?.error(bucket: name) ?? error
        }
        let refused = StorageError.preconditionFailed(key: key, options.precondition, current: found?.version)
        throw failure.error(bucket: name, refused: refused)
    }

    /// A large conditional put where a multipart upload's end can't be trusted with the condition: through a file,
    /// since one request needs size and digest at its beginning.
    private func spool(
        _ chunks: [[UInt8]], _ reader: inout BodyReader, _ condition: [(String, String)]
    ) async throws(StorageError) -> ObjectInfo {
        let file = try await SpoolFile.make()
        for chunk in chunks { try await file.append(chunk) }
        while let chunk = try await reader.next(1 << 20) {
            guard reader.count <= 5 << 30 else {
                throw StorageError(
                    .tooLarge, "a conditional put to this server takes at most 5 GiB; without a condition, more")
            }
            try await file.append(chunk)
        }
        let digest = try await reader.finish(expected: options.expectedDigest)
        let body = S3Request.Body.stream(size: reader.count, digest: digest) { file.pull() }
        return try await store(body, size: reader.count, digest, condition)
    }
}

/// How large each part is: at most 10,000 parts make an object.
struct PartSizes: Sendable {
    private static let maximumParts = 10_000
    private static let grain = 1 << 20

    private let size: Int
    private let isKnown: Bool

    init(configured: Int, total: Int?) {
        let least = (total ?? 0) / Self.maximumParts + 1
        size = max(configured, (least / Self.grain + 1) * Self.grain)
        isKnown = total != nil
    }

    /// The size of part `number`, from 1. Of a body without a known size, the late ones are larger.
    subscript(number: Int) -> Int {
        isKnown || number <= 8000 ? size : size * 16
    }
}
