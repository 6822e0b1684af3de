import FoundationEssentials
import Storage

/// Where credentials come from.
protocol CredentialProvider: Sendable {
    /// The credentials; nil where this source has none, so that another may be asked.
    ///
    /// - Throws: where it should have some.
    func credentials() async throws(StorageError) -> S3Credentials?
}

/// Credentials, fetched once for all who wait and again before they expire.
actor CredentialCache {
    /// So long before their end they are replaced.
    private static let margin: TimeInterval = 300

    private let provider: any CredentialProvider
    private var held: S3Credentials?
    private var fetch: Task<Result<S3Credentials, StorageError>, Never>?

    init(_ provider: any CredentialProvider) {
        self.provider = provider
    }

    /// Credentials that are still good for a while, or at least now.
    ///
    /// - Throws: where there are none.
    func current() async throws(StorageError) -> S3Credentials {
        if let held, !Self.ends(held, within: Self.margin) { return held }
        do throws(StorageError) {
            return try await fetched()
        } catch {
            // Better the old ones, as long as they last, than none.
            if let held, !Self.ends(held, within: 0) { return held }
            throw error
        }
    }

    /// Forgets what the service refused; what was fetched meanwhile stays.
    func invalidate(_ refused: S3Credentials) {
        if held == refused { held = nil }
    }

    private func fetched() async throws(StorageError) -> S3Credentials {
        // Unstructured: shared by all who wait, so that one who is cancelled does not end it for the others.
        let task = fetch ?? Task { [provider] in await Self.fetch(provider) }
        fetch = task
        let result = await task.value
        if fetch == task { fetch = nil }
        let credentials = try result.get()
        held = credentials
        return credentials
    }

    private static func fetch(_ provider: any CredentialProvider) async -> Result<S3Credentials, StorageError> {
        do throws(StorageError) {
            if let credentials = try await provider.credentials() { return .success(credentials) }
            return .failure(
                StorageError(
                    .internal,
                    "no credentials for S3: give access_key_id and secret_access_key, a profile, or AWS_ACCESS_KEY_ID",
                    class: .fatal))
        } catch {
            return .failure(error)
        }
    }

    private static func ends(_ credentials: S3Credentials, within seconds: TimeInterval) -> Bool {
        credentials.expiration.map { $0.timeIntervalSinceNow <= seconds } ?? false
    }
}

/// The same credentials always.
struct FixedCredentials: CredentialProvider {
    let value: S3Credentials

    func credentials() async throws(StorageError) -> S3Credentials? { value }
}

/// The first source that has some.
struct CredentialChain: CredentialProvider {
    let providers: [any CredentialProvider]

    func credentials() async throws(StorageError) -> S3Credentials? {
        for provider in providers {
            if let credentials = try await provider.credentials() { return credentials }
        }
        return nil
    }
}

/// `AWS_ACCESS_KEY_ID` and its fellows.
struct EnvironmentCredentials: CredentialProvider {
    let environment: [String: String]

    func credentials() async throws(StorageError) -> S3Credentials? {
        guard let id = environment["AWS_ACCESS_KEY_ID"], let secret = environment["AWS_SECRET_ACCESS_KEY"],
            !id.isEmpty, !secret.isEmpty
        else { return nil }
        return S3Credentials(
            accessKeyID: id, secretAccessKey: secret,
            sessionToken: environment["AWS_SESSION_TOKEN"].flatMap { $0.isEmpty ? nil : $0 })
    }
}
