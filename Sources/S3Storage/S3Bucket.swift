import FoundationEssentials
import HTTP
import HTTPStorage
import Storage
import Synchronization

/// What a server can do with conditions.
struct S3Abilities: Sendable, Hashable {
    /// `If-None-Match: *` on put.
    var createOnly = false
    /// `If-Match` on put and on delete.
    var compareAndSwap = false
    /// `x-amz-copy-source-if-match` and `If-Match` on copy: what the source is, and what is replaced.
    var conditionalCopy = false
    /// The same on completing a multipart upload, by one writer only.
    var conditionalMultipart = false

    static let all = S3Abilities(
        createOnly: true, compareAndSwap: true, conditionalCopy: true, conditionalMultipart: true)
}

/// What all operations on a bucket share.
struct S3Bucket: Sendable {
    /// For answers that are a head or a document.
    static let shortTimeout = Duration.seconds(60)

    let client: S3Client
    let configuration: S3Configuration
    let abilities: S3Abilities
    let order: ListOrder

    /// The key as the bucket has it.
    func fullKey(_ key: ObjectKey) throws(StorageError) -> String {
        try key.behind(configuration.prefix)
    }

    /// Runs requests of an operation.
    func mapped<Value>(_ body: () async throws(S3Failure) -> Value) async throws(StorageError) -> Value {
        do throws(S3Failure) { return try await body() } catch { throw error.error(bucket: configuration.bucket) }
    }

    /// What is under the key; nil: nothing.
    func head(_ key: ObjectKey) async throws(StorageError) -> ObjectInfo? {
        var request = S3Request(.head, try fullKey(key))
        request.headers = [("x-amz-checksum-mode", "ENABLED")]
        request.timeout = Self.shortTimeout
        do throws(S3Failure) {
            let response = try await client.head(request)
            guard let (_, size) = Self.extent(response),
                let info = ObjectHeaders.info(key, response.headers, size: size)
            else { throw S3Failure(nonsense: "an object without a size or an ETag") }
            return info
        } catch {
            if error.isMissing { return nil }
            throw error.error(bucket: configuration.bucket)
        }
    }

    /// What is under the key, in the version asked for.
    func current(_ key: ObjectKey, ifMatch: Version?) async throws(StorageError) -> ObjectInfo {
        guard let info = try await head(key) else { throw .notFound(key) }
        try Precondition(ifMatch: ifMatch).check(info.version, of: key)
        return info
    }

    /// Removes the object; whether there was one.
    func delete(_ key: ObjectKey, _ precondition: Precondition) async throws(StorageError) -> Bool {
        if case .matches(let version) = precondition { return try await delete(key, version) }
        // S3 does not say whether there was one. With a condition, of racing deletes one only is told so.
        var isAnswerLost = false
        for _ in 0..<10 where abilities.compareAndSwap {
            // What was there is gone: by this delete, as far as can be told.
            guard let found = try await head(key) else { return isAnswerLost }
            guard let failure = try await sendDelete(key, S3Version(found.version)) else { return true }
            isAnswerLost = isAnswerLost || failure.earlier != nil
        }
        guard try await head(key) != nil else { return isAnswerLost }
        let failure = try await sendDelete(key, nil)
        return failure.map { $0.earlier != nil } ?? true
    }

    private func delete(_ key: ObjectKey, _ version: Version) async throws(StorageError) -> Bool {
        guard abilities.compareAndSwap else { throw unsupported("If-Match on DELETE") }
        let precondition = Precondition.matches(version)
        let found = try await head(key)
        guard let found, found.version == version, let known = S3Version(version) else {
            throw .preconditionFailed(key: key, precondition, current: found?.version)
        }
        guard let failure = try await sendDelete(key, known) else { return true }
        let refused = StorageError.preconditionFailed(key: key, precondition, current: try await head(key)?.version)
        throw failure.error(bucket: configuration.bucket, refused: refused)
    }

    /// Why the condition did not hold; nil: it did.
    private func sendDelete(_ key: ObjectKey, _ version: S3Version?) async throws(StorageError) -> S3Failure? {
        var request = S3Request(.delete, try fullKey(key))
        request.headers = version?.condition ?? []
        request.timeout = Self.shortTimeout
        do throws(S3Failure) {
            try await client.head(request)
            return nil
        } catch {
            if error.isPrecondition || error.isMissing { return error }
            throw error.error(bucket: configuration.bucket)
        }
    }

    func unsupported(_ what: String) -> StorageError {
        StorageError(
            .unsupported, "the server of bucket “\(configuration.bucket)” does not honour \(what)")
    }
}
