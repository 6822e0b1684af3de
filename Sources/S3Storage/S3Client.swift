import Encodings
import FoundationEssentials
import HTTP
import HTTPStorage
import Storage
import Synchronization

/// Signs requests, sends them, and sends them again where that can help.
final class S3Client: Sendable {
    /// No document that S3 sends is larger.
    private static let documentLimit = 16 << 20
    private static let errorLimit = 1 << 20

    let http: HTTPClient
    let endpoint: S3Endpoint
    let bucket: String
    private let credentials: CredentialCache?
    private let signer: Signer
    private let signsLargePayloads: Bool
    private let retries: Backoff
    let retryBase: Duration
    /// How far the server's clock is ahead of this machine's, once a request was refused for it.
    private let clockOffset = Mutex<TimeInterval>(0)

    init(
        _ configuration: S3Configuration, http: HTTPClient, endpoint: S3Endpoint, region: String,
        credentials: CredentialCache?
    ) {
        self.http = http
        self.endpoint = endpoint
        self.credentials = credentials
        bucket = configuration.bucket
        signer = Signer(region: region)
        retryBase = configuration.retryBase
        retries = Backoff(maxAttempts: configuration.maxAttempts, base: retryBase)
        signsLargePayloads =
            switch configuration.payloadSigning {
            case .signed: true
            case .unsigned: false
            case .automatic: !endpoint.isSecure
            }
    }

    /// Sends a request until it succeeds or can't.
    func send(_ request: S3Request) async throws(S3Failure) -> S3Response {
        try await retrying { () async throws(S3Failure) in try await self.sendOnce(request) }
    }

    /// The same, for an answer that is a document. Some servers report a failure in a document of success.
    func document(_ request: S3Request) async throws(S3Failure) -> (XMLElement, S3Response) {
        try await retrying { () async throws(S3Failure) in
            let response = try await self.sendOnce(request)
            let bytes = try await Self.collect(response.body, Self.documentLimit)
            guard let root = XMLDocument.parse(bytes) else {
                throw S3Failure(nonsense: "the answer is not a document")
            }
            guard root.name != "Error" else { throw S3Failure(status: 500, headers: response.headers, body: bytes) }
            return (root, response)
        }
    }

    /// The same, for an answer without a body that matters.
    @discardableResult
    func head(_ request: S3Request) async throws(S3Failure) -> S3Response {
        try await retrying { () async throws(S3Failure) in
            let response = try await self.sendOnce(request)
            _ = try await Self.collect(response.body, Self.errorLimit)
            return response
        }
    }

    private func retrying<Value: Sendable>(
        _ attempt: () async throws(S3Failure) -> Value
    ) async throws(S3Failure) -> Value {
        // Credentials that were refused have been invalidated already.
        try await retries.retrying(renew: {}, attempt)
    }

    private func sendOnce(_ request: S3Request) async throws(S3Failure) -> S3Response {
        do throws(S3Failure) { return try await attempt(request) } catch {
            guard request.method == .head, error.isUnexplained else { throw error }
            try await explain(error, of: request)
            return try await attempt(request)
        }
    }

    /// Throws why a head was refused: its answer has no body to say it in, that to a get of one byte has. Returns where
    /// the get is not refused.
    private func explain(_ refused: S3Failure, of request: S3Request) async throws(S3Failure) {
        var question = request
        question.method = .get
        question.headers.append(("range", "bytes=0-0"))
        do throws(S3Failure) {
            let response = try await attempt(question)
            _ = try? await response.body.collect(upTo: 1)
        } catch {
            // An empty object has no byte range.
            if error.status == 416 { return }
            throw error.isUnexplained ? refused : error
        }
    }

    private func attempt(_ request: S3Request) async throws(S3Failure) -> S3Response {
        let current = try await currentCredentials()
        let signed = sign(request, current)
        let response: HTTPResponse
        do throws(HTTPError) { response = try await http.send(signed) } catch { throw S3Failure(error) }
        if (200..<300).contains(response.status) {
            return S3Response(status: response.status, headers: response.headers, body: response.body)
        }
        let body = try await Self.collect(response.body, Self.errorLimit)
        let failure = S3Failure(status: response.status, headers: response.headers, body: body)
        switch failure.remedy {
        case .setClock: learnClock(response.headers["Date"])
        case .refreshCredentials: if let current { await credentials?.invalidate(current) }
        case .none, .wait: break
        }
        throw response.wasSentAgain ? failure.afterLostAnswer() : failure
    }

    private func learnClock(_ date: String?) {
        guard let date = ServerTime.http(date) else { return }
        clockOffset.withLock { $0 = date.timeIntervalSinceNow }
    }

    private func currentCredentials() async throws(S3Failure) -> S3Credentials? {
        do throws(StorageError) { return try await credentials?.current() } catch { throw S3Failure(refusal: error) }
    }

    /// - Parameter credentials: nil: it goes out unsigned.
    private func sign(_ request: S3Request, _ credentials: S3Credentials?) -> HTTPRequest {
        let time = SigningTime(Date.now.addingTimeInterval(clockOffset.withLock { $0 }))
        let (body, hash) = payload(of: request.body)
        let path = endpoint.path(request.key)
        var headers = request.headers
        if let credentials {
            headers += [("x-amz-date", time.stamp), ("x-amz-content-sha256", hash)]
            if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
            let signable = Signer.Request(
                method: request.method.rawValue, path: path, query: request.query,
                headers: headers + [("host", endpoint.host)], payloadHash: hash)
            headers.append(("authorization", signer.authorization(signable, credentials, time)))
        }
        let url = endpoint.url(path, query: PercentEncoding.query(request.query))
        var signed = HTTPRequest(request.method, url, body: body, timeout: request.timeout)
        for (name, value) in headers { signed.headers.add(name, value) }
        if case .stream = request.body { signed.expectsContinue = true }
        return signed
    }

    private func payload(of body: S3Request.Body) -> (HTTPBody, hash: String) {
        switch body {
        case .none: (.none, Self.emptyHash)
        case .bytes(let bytes, let digest?): (.bytes(bytes), digest.hexadecimal)
        case .bytes(let bytes, nil):
            (.bytes(bytes), signsLargePayloads ? Digest(of: bytes).hexadecimal : Signer.unsignedPayload)
        case .stream(let size, let digest, let open): (.stream(size: size, pull: open()), digest.hexadecimal)
        }
    }

    private static let emptyHash = Digest(of: []).hexadecimal

    /// A URL that carries its own authorization.
    func presigned(
        _ method: HTTPRequest.Method, _ key: String, query: [(String, String)], seconds: Int
    ) async throws(StorageError) -> String {
        guard let credentials else {
            throw StorageError(.unsupported, "without credentials there is nothing to sign with")
        }
        let time = SigningTime(Date.now.addingTimeInterval(clockOffset.withLock { $0 }))
        let request = Signer.Request(
            method: method.rawValue, path: endpoint.path(key), query: query, headers: [("host", endpoint.host)],
            payloadHash: Signer.unsignedPayload)
        let signed = signer.presignedQuery(request, try await credentials.current(), time, seconds: seconds)
        return endpoint.url(endpoint.path(key), query: signed)
    }

    private static func collect(_ body: HTTPResponseBody, _ limit: Int) async throws(S3Failure) -> [UInt8] {
        do throws(HTTPError) { return try await body.collect(upTo: limit) } catch { throw S3Failure(error) }
    }
}
