import Encodings
import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

/// A request to the JSON API, before it is authorized.
struct GCSRequest: Sendable {
    var method: HTTPRequest.Method
    /// Path and query, encoded, or a whole URL of the service's own making.
    var target: String
    var headers: HTTPHeaders = [:]
    var body = HTTPBody.none
    var timeout: Duration?
    /// What counts as an answer beside 2xx.
    var accepts: Set<Int> = []

    init(_ method: HTTPRequest.Method, _ path: String, _ query: [(String, String)] = []) {
        self.method = method
        target = query.isEmpty ? path : path + "?" + PercentEncoding.query(query)
    }
}

/// Authorizes requests, sends them, and sends them again where that can help.
final class GCSClient: Sendable {
    private static let documentLimit = 16 << 20
    private static let errorLimit = 1 << 20
    static let shortTimeout = Duration.seconds(60)

    let http: HTTPClient
    let endpoint: String
    let bucket: String
    private let tokens: Renewed<AccessToken>?
    private let retries: Backoff
    let retryBase: Duration

    init(_ configuration: GCSConfiguration, http: HTTPClient, tokens: Renewed<AccessToken>?) {
        self.http = http
        self.tokens = tokens
        endpoint = configuration.endpoint
        bucket = configuration.bucket
        retryBase = configuration.retryBase
        retries = Backoff(maxAttempts: configuration.maxAttempts, base: retryBase)
    }

    /// The path of an object, or of the bucket's objects.
    func path(_ key: String?) -> String {
        let objects = "/storage/v1/b/\(PercentEncoding.encode(bucket))/o"
        return key.map { objects + "/" + PercentEncoding.encode($0) } ?? objects
    }

    /// Sends a request until it succeeds or can't; its body must be bytes, or none.
    func send(_ request: GCSRequest) async throws(GCSFailure) -> HTTPResponse {
        try await retrying { () async throws(GCSFailure) in try await self.sendOnce(request) }
    }

    /// The same, for an answer that is JSON, or empty.
    func json(_ request: GCSRequest) async throws(GCSFailure) -> JSONValue {
        try await retrying { () async throws(GCSFailure) in
            let response = try await self.sendOnce(request)
            let bytes = try await Self.collect(response.body, Self.documentLimit)
            if bytes.isEmpty { return .null }
            guard let value = JSONValue.parse(bytes) else { throw GCSFailure(nonsense: "the answer is not JSON") }
            return value
        }
    }

    private func retrying<Value: Sendable>(
        _ attempt: () async throws(GCSFailure) -> Value
    ) async throws(GCSFailure) -> Value {
        // A token that was refused has been invalidated already.
        try await retries.retrying(renew: tokens == nil ? nil : {}, attempt)
    }

    private func sendOnce(_ request: GCSRequest) async throws(GCSFailure) -> HTTPResponse {
        let url = request.target.hasPrefix("/") ? endpoint + request.target : request.target
        var authorized = HTTPRequest(
            request.method, url, headers: request.headers, body: request.body, timeout: request.timeout)
        var token: AccessToken?
        // A server of another host than was configured gets no token.
        if let tokens, url.hasPrefix(endpoint + "/") {
            do throws(StorageError) { token = try await tokens.current() } catch { throw GCSFailure(refusal: error) }
        }
        if let token { authorized.headers.add("Authorization", "Bearer " + token.text) }
        let response: HTTPResponse
        do throws(HTTPError) { response = try await http.send(authorized) } catch { throw GCSFailure(error) }
        if (200..<300).contains(response.status) || request.accepts.contains(response.status) { return response }
        let body = try await Self.collect(response.body, Self.errorLimit)
        if response.status == 401, let token { await tokens?.invalidate(token) }
        let failure = GCSFailure(status: response.status, headers: response.headers, body: body)
        throw response.wasSentAgain ? failure.afterLostAnswer() : failure
    }

    static func collect(_ body: HTTPResponseBody, _ limit: Int) async throws(GCSFailure) -> [UInt8] {
        do throws(HTTPError) { return try await body.collect(upTo: limit) } catch { throw GCSFailure(error) }
    }
}
