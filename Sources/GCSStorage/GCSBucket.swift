import Encodings
import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

/// What all operations on a bucket share.
struct GCSBucket: Sendable {
    /// So often an object that is replaced meanwhile gets its new attributes tried again.
    private static let rounds = 10

    let client: GCSClient
    let configuration: GCSConfiguration

    /// The key as the bucket has it.
    func fullKey(_ key: ObjectKey) throws(StorageError) -> String {
        try key.behind(configuration.prefix)
    }

    func mapped<Value>(_ body: () async throws(GCSFailure) -> Value) async throws(StorageError) -> Value {
        do throws(GCSFailure) { return try await body() } catch { throw error.error(bucket: configuration.bucket) }
    }

    /// The service's JSON of what is under the key; nil: nothing.
    func object(_ key: ObjectKey) async throws(StorageError) -> JSONValue? {
        var request = GCSRequest(.get, client.path(try fullKey(key)))
        request.timeout = GCSClient.shortTimeout
        do throws(GCSFailure) { return try await client.json(request) } catch {
            if error.isMissing { return nil }
            throw error.error(bucket: configuration.bucket)
        }
    }

    /// What is under the key; nil: nothing.
    func head(_ key: ObjectKey) async throws(StorageError) -> ObjectInfo? {
        guard let object = try await object(key) else { return nil }
        guard let info = GCSObject.info(key, object) else {
            throw GCSFailure(nonsense: "an object without a generation or a size").error(bucket: configuration.bucket)
        }
        return info
    }

    /// What is under the key, in the version asked for.
    func current(_ key: ObjectKey, ifMatch: Version?) async throws(StorageError) -> ObjectInfo {
        guard let info = try await head(key) else { throw .notFound(key) }
        try Precondition(ifMatch: ifMatch).check(info.version, of: key)
        return info
    }

    func delete(_ key: ObjectKey, _ precondition: Precondition) async throws(StorageError) -> Bool {
        var condition: [(String, String)] = []
        if case .matches(let version) = precondition {
            guard let known = GCSVersion(version) else {
                throw .preconditionFailed(key: key, precondition, current: try await head(key)?.version)
            }
            condition = known.condition
        }
        var request = GCSRequest(.delete, client.path(try fullKey(key)), condition)
        request.timeout = GCSClient.shortTimeout
        do throws(GCSFailure) {
            _ = try await client.json(request)
            return true
        } catch {
            if error.isMissing && precondition == .none { return false }
            guard error.isMissing || error.isPrecondition else { throw error.error(bucket: configuration.bucket) }
            let refused = StorageError.preconditionFailed(key: key, precondition, current: try await head(key)?.version)
            throw error.error(bucket: configuration.bucket, refused: refused)
        }
    }

    func get(_ key: ObjectKey, _ options: GetOptions) async throws(StorageError) -> StoredObject {
        for _ in 0..<5 {
            // The bytes come with no metadata: first the info, then the bytes of that generation and no other.
            let info = try await current(key, ifMatch: options.ifMatch)
            let range = try options.range?.resolve(size: info.size) ?? 0..<info.size
            guard !range.isEmpty, let version = GCSVersion(info.version) else {
                return StoredObject(info: info, range: range, body: ObjectBody([]))
            }
            let (path, generation) = (client.path(try fullKey(key)), version.generation)
            let open: ObjectReader<GCSFailure>.Open = { [self] (range) async throws(GCSFailure) in
                try await self.open(path, generation, range)
            }
            let first: HTTPResponseBody
            do throws(GCSFailure) { first = try await open(range) } catch {
                // Replaced between the two.
                if error.isMissing || error.isPrecondition { continue }
                throw error.error(bucket: configuration.bucket)
            }
            let reader = ObjectReader<GCSFailure>(
                first, range: range, digest: range.count == info.size ? info.digest : nil, bucket: client.bucket,
                base: client.retryBase, open: open)
            let body = ObjectBody(size: range.count) { () async throws(StorageError) in try await reader.next() }
            return StoredObject(info: info, range: range, body: body)
        }
        throw StorageError(.unavailable, "“\(key)” is replaced faster than it can be read; try again")
    }

    /// Bytes of one generation.
    private func open(
        _ path: String, _ generation: Int64, _ range: Range<Int>
    ) async throws(GCSFailure) -> HTTPResponseBody {
        let query = [
            ("alt", "media"), ("generation", String(generation)), ("ifGenerationMatch", String(generation)),
        ]
        var request = GCSRequest(.get, path, query)
        // Without it the service would decompress what is stored compressed.
        request.headers = [
            "Range": "bytes=\(range.lowerBound)-\(range.upperBound - 1)", "Accept-Encoding": "gzip",
        ]
        let response = try await client.send(request)
        guard Self.holds(response, range, of: generation) else {
            throw GCSFailure(nonsense: "another range or object than was asked for")
        }
        return response.body
    }

    private static func holds(_ response: HTTPResponse, _ range: Range<Int>, of generation: Int64) -> Bool {
        if let found = response.headers["x-goog-generation"], found != String(generation) { return false }
        // Without a range, all of it: right where all of it was asked for.
        guard let extent = response.headers["Content-Range"] else {
            return response.status != 206 && range.lowerBound == 0
                && response.headers["Content-Length"] == String(range.upperBound)
        }
        return extent.hasPrefix("bytes \(range.lowerBound)-\(range.upperBound - 1)/")
    }

    func setAttributes(
        _ key: ObjectKey, _ attributes: ObjectAttributes, _ precondition: Precondition
    ) async throws(StorageError) -> ObjectInfo {
        for _ in 0..<Self.rounds {
            guard let object = try await object(key), let found = GCSObject.info(key, object),
                let version = GCSVersion(found.version)
            else { throw .notFound(key) }
            try precondition.check(found.version, of: key)
            let token = NUID.next()
            var change = try GCSObject.encode(attributes, token: token, digest: found.digest)
            // A patch keeps what it does not name.
            var metadata = object.fields("metadata").mapValues { _ in JSONValue.null }
            metadata.merge(change["metadata"]?.fields() ?? [:]) { $1 }
            change["metadata"] = .object(metadata)
            let failure: GCSFailure
            switch try await patch(key, change, version) {
            case .success(let info): return info
            case .failure(let refused): failure = refused
            }
            if failure.isNonsense || failure.earlier != nil,
                let info = try await settle(failure, key, token, precondition)
            {
                return info
            }
            if Task.isCancelled { throw .cancelled }
        }
        throw StorageError(.unavailable, "“\(key)” is replaced faster than its attributes can be; try again")
    }

    /// After a change whose answer made no sense, or whose first answer was lost and which then met another version: its
    /// own, which is returned, or somebody else's.
    private func settle(
        _ failure: GCSFailure, _ key: ObjectKey, _ token: String, _ precondition: Precondition
    ) async throws(StorageError) -> ObjectInfo? {
        let found = try await object(key)
        let info = found.flatMap { GCSObject.info(key, $0) }
        if let found, let info, GCSObject.token(found) == token { return info }
        if failure.isNonsense { throw failure.error(bucket: configuration.bucket) }
        if precondition == .none { return nil }
        let refused = StorageError.preconditionFailed(key: key, precondition, current: info?.version)
        throw failure.error(bucket: configuration.bucket, refused: refused)
    }

    /// A failure where the version is another by now, or the answer made no sense.
    private func patch(
        _ key: ObjectKey, _ change: [String: JSONValue], _ version: GCSVersion
    ) async throws(StorageError) -> Result<ObjectInfo, GCSFailure> {
        guard let body = try? JSONEncoder().encode(JSONValue.object(change)) else {
            throw StorageError(.invalid, "the attributes can't be written as JSON")
        }
        var request = GCSRequest(.patch, client.path(try fullKey(key)), version.condition)
        request.headers = ["Content-Type": "application/json; charset=UTF-8"]
        request.body = .bytes(Array(body))
        request.timeout = GCSClient.shortTimeout
        do throws(GCSFailure) {
            guard let info = GCSObject.info(key, try await client.json(request)) else {
                throw GCSFailure(nonsense: "a change was answered by something else than an object")
            }
            return .success(info)
        } catch {
            if error.isMissing || error.isPrecondition || error.isNonsense { return .failure(error) }
            throw error.error(bucket: configuration.bucket)
        }
    }
}
