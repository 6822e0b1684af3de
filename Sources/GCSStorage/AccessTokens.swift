import Crypto
import CryptoExtras
import FoundationEssentials
import HTTP
import Storage

/// Where access tokens come from.
struct TokenSource: Sendable {
    /// The parts of a service account's key file that matter. The key is never printed.
    struct ServiceAccount: Sendable, Decodable {
        var client_email: String
        var private_key: String
        var token_uri: String?
    }

    private struct Token: Decodable {
        var access_token: String
        var expires_in: Double?
    }

    private static let scope = "https://www.googleapis.com/auth/devstorage.read_write"
    let http: HTTPClient
    let account: ServiceAccount?
    let environment: [String: String]

    /// Reads the key file that is configured, or that the environment names.
    init(
        _ credentials: GCSConfiguration.Credentials, environment: [String: String], http: HTTPClient
    ) async throws(StorageError) {
        self.http = http
        self.environment = environment
        var path = environment["GOOGLE_APPLICATION_CREDENTIALS"]
        if case .file(let file) = credentials { path = file }
        guard let path else {
            account = nil
            return
        }
        guard let text = await TextFile.read(path),
            let account = try? JSONDecoder().decode(ServiceAccount.self, from: Data(text.utf8))
        else {
            throw StorageError(.invalid, "“\(path.abbreviated)” is no key file of a service account")
        }
        self.account = account
    }

    /// A new token and when it ends.
    func token() async throws(StorageError) -> (text: String, end: Date) {
        let request = if let account { try Self.request(account) } else { metadataRequest }
        let status: Int
        let body: [UInt8]
        do throws(HTTPError) {
            let response = try await http.send(request)
            (status, body) = (response.status, try await response.body.collect(upTo: 1 << 20))
        } catch {
            if error.reason == .cancelled { throw .cancelled }
            throw StorageError(.unavailable, "no access token for Google Cloud Storage: \(error.message)")
        }
        guard status == 200, let token = try? JSONDecoder().decode(Token.self, from: Data(body)) else {
            throw StorageError(
                .unavailable, "no access token for Google Cloud Storage: status \(status)",
                class: status >= 500 ? .transient : .fatal)
        }
        return (token.access_token, .now.addingTimeInterval(token.expires_in ?? 300))
    }

    /// The machine's own account.
    private var metadataRequest: HTTPRequest {
        let host = environment["GCE_METADATA_HOST"] ?? "metadata.google.internal"
        var request = HTTPRequest(
            .get, "http://\(host)/computeMetadata/v1/instance/service-accounts/default/token",
            headers: ["Metadata-Flavor": "Google"], timeout: .seconds(5))
        request.usesProxy = false
        return request
    }

    /// Trades a token that the account's key signed (RFC 7523) for one that the service takes.
    private static func request(_ account: ServiceAccount) throws(StorageError) -> HTTPRequest {
        let endpoint = account.token_uri ?? "https://oauth2.googleapis.com/token"
        let now = Int64(Date.now.timeIntervalSince1970)
        let claims: [String: JSONValue] = [
            "iss": .string(account.client_email), "scope": .string(scope), "aud": .string(endpoint),
            "iat": .integer(now), "exp": .integer(now + 3600),
        ]
        guard let body = try? JSONEncoder().encode(claims),
            let key = try? _RSA.Signing.PrivateKey(pemRepresentation: account.private_key)
        else { throw StorageError(.invalid, "the service account's private key is none that can sign") }
        let text = [Data(#"{"alg":"RS256","typ":"JWT"}"#.utf8), body].map(encoded).joined(separator: ".")
        guard let signature = try? key.signature(for: Data(text.utf8), padding: .insecurePKCS1v1_5) else {
            throw StorageError(.invalid, "the service account's private key is none that can sign")
        }
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", text + "." + encoded(signature.rawRepresentation)),
        ]
        return HTTPRequest(
            .post, endpoint, headers: ["Content-Type": "application/x-www-form-urlencoded"],
            body: .bytes(Array(PercentEncoding.query(form).utf8)), timeout: .seconds(10))
    }

    private static func encoded(_ data: Data) -> String {
        String(Base64URL.encode(data).prefix { $0 != "=" })
    }
}

/// A token, fetched once for all who wait and again before it ends.
actor TokenCache {
    private static let margin: TimeInterval = 300

    private let source: TokenSource
    private var held: (text: String, end: Date)?
    private var fetch: Task<Result<(text: String, end: Date), StorageError>, Never>?

    init(_ source: TokenSource) {
        self.source = source
    }

    /// A token that is good for a while, or at least now.
    func current() async throws(StorageError) -> String {
        if let held, held.end.timeIntervalSinceNow > Self.margin { return held.text }
        // Unstructured: shared by all who wait, so that one who is cancelled does not end it for the others.
        let task =
            fetch
            ?? Task { [source] in
                do throws(StorageError) { return .success(try await source.token()) } catch { return .failure(error) }
            }
        fetch = task
        let result = await task.value
        if fetch == task { fetch = nil }
        switch result {
        case .success(let token):
            held = token
            return token.text
        case .failure(let error):
            if let held, held.end > .now { return held.text }
            throw error
        }
    }

    /// Forgets what the service refused.
    func invalidate() {
        held = nil
    }
}
