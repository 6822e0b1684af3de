import FoundationEssentials
import HTTP
public import Logging
public import Storage

/// A bucket of Amazon S3, or of any server that speaks S3, as a store.
///
/// A put is one request, or a multipart upload whose last step makes the object visible; either is atomic. Create-only
/// and compare-and-swap are S3's `If-None-Match` and `If-Match`; whether the server honours them is tried out when the
/// store is opened. The version is the ETag and a token that each write keeps in the metadata: S3 itself compares only
/// the ETag, which a later object of the same bytes shares, so a swap compares the version first.
///
/// Expiry of single objects and message ids are `unsupported`. The digest of an object that went up in parts is known
/// later only where the put's options gave it.
///
/// Beside what S3 asks of permissions for the operations themselves: `s3:ListBucket`, without which what is missing is
/// reported as forbidden, and `s3:AbortMultipartUpload`.
public final class S3Store: Store {
    let bucket: S3Bucket
    let cleaning: CleaningSchedule?
    let logger: Logger
    private let http: HTTPClient

    private init(_ bucket: S3Bucket, _ http: HTTPClient, _ logger: Logger) {
        self.bucket = bucket
        self.http = http
        self.logger = logger
        let configuration = bucket.configuration
        cleaning = configuration.abortUploadsAfter.map {
            CleaningSchedule(every: configuration.cleanEvery, grace: $0)
        }
    }

    /// Opens a bucket, creating it where it is missing and the configuration says so.
    ///
    /// - Parameter environment: where credentials, region and profile are looked up.
    /// - Throws: `invalid` for a setting that can't work, `internal` for credentials that are missing or refused,
    ///   `unavailable` where the bucket is missing or no server answers.
    public static func open(
        _ configuration: S3Configuration, environment: [String: String], logger: Logger
    ) async throws(StorageError) -> S3Store {
        try configuration.validate()
        let http: HTTPClient
        do throws(HTTPError) { http = try HTTPClient(configuration.http) } catch {
            throw StorageError(.unavailable, error.message, operation: .open, cause: error)
        }
        do throws(StorageError) {
            let client = try await client(configuration, environment, http)
            let opening = S3Opening(configuration: configuration, client: client, logger: logger)
            return S3Store(try await opening.bucket(), http, logger)
        } catch {
            await http.shutdown()
            throw error.during(.open)
        }
    }

    private static func client(
        _ configuration: S3Configuration, _ environment: [String: String], _ http: HTTPClient
    ) async throws(StorageError) -> S3Client {
        var profile = environment["AWS_PROFILE"] ?? "default"
        if case .profile(let name) = configuration.credentials { profile = name }
        var region = configuration.region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"]
        if region == nil { region = await SharedFiles(environment: environment).profile(profile)?["region"] }
        let settled = region ?? "us-east-1"
        let provider: (any CredentialProvider)? =
            switch configuration.credentials {
            case .fixed(let credentials): FixedCredentials(value: credentials)
            case .profile(let name): ProfileCredentials(name: name, isRequired: true, environment: environment)
            case .anonymous: nil
            case .chain:
                CredentialChain(providers: [
                    EnvironmentCredentials(environment: environment),
                    WebIdentityCredentials(http: http, environment: environment, region: settled),
                    ProfileCredentials(name: profile, isRequired: false, environment: environment),
                    ContainerCredentials(http: http, environment: environment),
                    InstanceCredentials(http: http, environment: environment),
                ])
            }
        return S3Client(
            configuration, http: http, endpoint: try S3Endpoint(configuration, region: settled), region: settled,
            credentials: provider.map { CredentialCache($0) })
    }

    public var capabilities: Capabilities {
        var capabilities: Capabilities = []
        if bucket.abilities.createOnly { capabilities.insert(.createOnly) }
        if bucket.abilities.compareAndSwap { capabilities.formUnion([.compareAndSwap, .metadataUpdate]) }
        return capabilities
    }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await during(.put, key) { () async throws(StorageError) in try await S3Put(bucket, key, options).run(body) }
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
