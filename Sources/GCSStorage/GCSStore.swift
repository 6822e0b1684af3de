import FoundationEssentials
import HTTP
import HTTPStorage
public import Storage

/// A bucket of Google Cloud Storage as a store, by its JSON API.
///
/// A put is one request, or a resumable upload whose last part makes the object visible; either is atomic.
/// Preconditions are generations, which never come back; the version is generation and metageneration. Expiry of single
/// objects and message ids are `unsupported`. The digest of an object above the part size is known later only where the
/// put's options gave it. A delete without a precondition whose answer was lost, and which is sent again, says that nothing
/// was there.
///
/// See <https://cloud.google.com/storage/docs/json_api>.
public final class GCSStore: Store {
    private let bucket: GCSBucket
    private let http: HTTPClient

    private init(_ bucket: GCSBucket, _ http: HTTPClient) {
        self.bucket = bucket
        self.http = http
    }

    /// Opens a bucket, creating it where it is missing and the configuration names a project.
    ///
    /// - Throws: `invalid` for a setting that can't work, `unavailable` where the bucket is missing, or no server or no
    ///   token is to be had.
    public static func open(
        _ configuration: GCSConfiguration, environment: [String: String]
    ) async throws(StorageError) -> GCSStore {
        try configuration.validate()
        let http: HTTPClient
        do throws(HTTPError) { http = try HTTPClient(configuration.http) } catch {
            throw StorageError(.unavailable, error.message, operation: .open, cause: error)
        }
        do throws(StorageError) {
            var tokens: Renewed<AccessToken>?
            if case .anonymous = configuration.credentials {
            } else {
                let source = try await TokenSource(configuration.credentials, environment: environment, http: http)
                tokens = Renewed { () async throws(StorageError) in try await source.token() }
            }
            let client = GCSClient(configuration, http: http, tokens: tokens)
            try await find(configuration, client)
            return GCSStore(GCSBucket(client: client, configuration: configuration), http)
        } catch {
            await http.shutdown()
            throw error.during(.open)
        }
    }

    private static func find(_ configuration: GCSConfiguration, _ client: GCSClient) async throws(StorageError) {
        let name = configuration.bucket
        do throws(GCSFailure) {
            _ = try await client.json(GCSRequest(.get, client.path(nil), [("maxResults", "1")]))
        } catch {
            guard error.isMissing else { throw error.error(bucket: name) }
            guard let project = configuration.createInProject else {
                throw StorageError(.unavailable, "there is no bucket “\(name)”; create it", class: .fatal)
            }
            var request = GCSRequest(.post, "/storage/v1/b", [("project", project)])
            request.headers = ["Content-Type": "application/json; charset=UTF-8"]
            request.body = .bytes(Array(#"{"name":"\#(name)"}"#.utf8))
            do throws(GCSFailure) { _ = try await client.json(request) } catch {
                guard error.status == 409 else { throw error.error(bucket: name) }
            }
        }
    }

    public var capabilities: Capabilities { [.createOnly, .compareAndSwap, .metadataUpdate] }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await during(.put, key) { () async throws(StorageError) in
            try await GCSPut(bucket, key, options).run(body)
        }
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try await during(.get, key) { () async throws(StorageError) in try await bucket.get(key, options) }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await during(.info, key) { () async throws(StorageError) in
            try await bucket.current(key, ifMatch: options.ifMatch)
        }
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await during(.delete, key) { () async throws(StorageError) in
            try options.validate()
            return try await bucket.delete(key, options.precondition)
        }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try query.validate()
        return try await during(.list) { () async throws(StorageError) in try await bucket.list(query) }
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await during(.setMetadata, key) { () async throws(StorageError) in
            try await bucket.setAttributes(key, attributes, options.precondition)
        }
    }

    /// Ends what is under way with `unavailable`, and all connections.
    public func shutdown() async {
        await http.shutdown()
    }
}
