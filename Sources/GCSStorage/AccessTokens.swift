import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

/// What requests are authorized with; never printed.
struct AccessToken: Expiring, CustomStringConvertible {
    let text: String
    let expiration: Date?

    var description: String { "an access token until \(expiration?.description ?? "its end")" }

    /// The same text is the same token, whenever it is said to end.
    static func == (left: AccessToken, right: AccessToken) -> Bool { left.text == right.text }
}

/// Where access tokens come from.
struct TokenSource: Sendable {
    private struct Document: Decodable {
        var access_token: String
        var expires_in: Double?
    }

    private static let attempts = 4
    private let http: HTTPClient
    private let key: ServiceAccountKey?
    private let metadataHost: String
    private let retries = Backoff(maxAttempts: TokenSource.attempts)

    /// Reads the key file that the environment names, where none is configured; without one, the machine is asked.
    init(
        _ credentials: GCSConfiguration.Credentials, environment: [String: String], http: HTTPClient
    ) async throws(StorageError) {
        self.http = http
        metadataHost = environment["GCE_METADATA_HOST"] ?? "metadata.google.internal"
        if case .key(let key) = credentials {
            self.key = key
        } else if let path = environment["GOOGLE_APPLICATION_CREDENTIALS"], !path.isEmpty {
            guard let text = await TextFile.read(path) else {
                throw StorageError(
                    .invalid, "GOOGLE_APPLICATION_CREDENTIALS names “\(path.abbreviated)”, which can't be read")
            }
            key = try ServiceAccountKey(json: text)
        } else {
            key = nil
        }
    }

    /// A new token.
    func token() async throws(StorageError) -> AccessToken {
        var number = 0
        while true {
            do throws(StorageError) { return try await fetch() } catch {
                number += 1
                guard error.errorClass == .transient, error.kind != .cancelled,
                    let delay = retries.delay(after: number, asked: error.retryAfter)
                else { throw error }
                guard (try? await Task.sleep(for: delay)) != nil else { throw .cancelled }
            }
        }
    }

    private func fetch() async throws(StorageError) -> AccessToken {
        let who = key.map { "\($0)" } ?? "the account of this machine, asked at \(metadataHost)"
        let request = if let key { try key.tokenRequest() } else { metadataRequest }
        let status: Int
        let body: [UInt8]
        do throws(HTTPError) {
            let response = try await http.send(request)
            (status, body) = (response.status, try await response.body.collect(upTo: 1 << 20))
        } catch {
            if error.reason == .cancelled { throw .cancelled }
            throw StorageError(.unavailable, "no access token for \(who): \(error.message)", cause: error)
        }
        guard status == 200, let document = try? JSONDecoder().decode(Document.self, from: Data(body)) else {
            throw StorageError(
                .unavailable, "no access token for \(who): the answer has status \(status); check the credentials",
                class: status >= 500 || status == 429 ? .transient : .fatal)
        }
        return AccessToken(
            text: document.access_token, expiration: .now.addingTimeInterval(max(0, document.expires_in ?? 300)))
    }

    /// The machine's own account.
    private var metadataRequest: HTTPRequest {
        var request = HTTPRequest(
            .get, "http://\(metadataHost)/computeMetadata/v1/instance/service-accounts/default/token",
            headers: ["Metadata-Flavor": "Google"], timeout: .seconds(5))
        request.usesProxy = false
        return request
    }
}
