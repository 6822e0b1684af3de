import HTTPStorage
import Storage

/// Where credentials come from.
protocol CredentialProvider: Sendable {
    /// The credentials; nil where this source has none, so that another may be asked.
    ///
    /// - Throws: where it should have some.
    func credentials() async throws(StorageError) -> S3Credentials?
}

extension S3Credentials: Expiring {}

/// Credentials, fetched once for all who wait and again before they expire.
typealias CredentialCache = Renewed<S3Credentials>

extension CredentialCache {
    init(_ provider: any CredentialProvider) {
        self.init { () async throws(StorageError) in
            if let credentials = try await provider.credentials() { return credentials }
            throw StorageError(
                .internal,
                "no credentials for S3: give access_key_id and secret_access_key, a profile, or AWS_ACCESS_KEY_ID",
                class: .fatal)
        }
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
