import Encodings
import FoundationEssentials
import HTTP
import Storage

/// What container and instance metadata answer.
private struct CredentialDocument: Decodable {
    var AccessKeyId: String?
    var SecretAccessKey: String?
    var Token: String?
    var Expiration: String?

    var credentials: S3Credentials? {
        guard let AccessKeyId, let SecretAccessKey else { return nil }
        return S3Credentials(
            accessKeyID: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token,
            expiration: ServerTime.iso(Expiration))
    }
}

extension HTTPClient {
    /// A short answer of success from a metadata service; never through a proxy.
    fileprivate func text(
        _ method: HTTPRequest.Method, _ url: String, _ headers: HTTPHeaders, seconds: Double
    ) async throws(HTTPError) -> String? {
        var request = HTTPRequest(method, url, headers: headers, timeout: .seconds(seconds))
        if method == .put { request.body = .bytes([]) }
        request.usesProxy = false
        let response = try await send(request)
        let body = try await response.body.collect(upTo: 64 << 10)
        return response.status == 200 ? String(decoding: body, as: UTF8.self) : nil
    }
}

/// What went wrong with a source that was configured.
private func unavailable(_ source: String, _ detail: String) -> StorageError {
    StorageError(.unavailable, "credentials from \(source): \(detail)")
}

/// The credentials of a container's role (ECS, EKS Pod Identity).
struct ContainerCredentials: CredentialProvider {
    let http: HTTPClient
    let environment: [String: String]

    func credentials() async throws(StorageError) -> S3Credentials? {
        let relative = environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"].map { "http://169.254.170.2" + $0 }
        guard let url = relative ?? environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] else { return nil }
        var token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        if let file = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] { token = await TextFile.read(file) }
        var headers = HTTPHeaders()
        if let token { headers.add("Authorization", token.filter { !$0.isNewline }) }
        do throws(HTTPError) {
            let text = try await http.text(.get, url, headers, seconds: 5)
            let document = try? JSONDecoder().decode(CredentialDocument.self, from: Data((text ?? "").utf8))
            if let credentials = document?.credentials { return credentials }
        } catch {
            throw unavailable("the container", error.message)
        }
        throw unavailable("the container", "the answer holds none")
    }
}

/// The credentials of an instance's role, by version 2 of the instance metadata service. Where no such service
/// answers this machine has none.
struct InstanceCredentials: CredentialProvider {
    let http: HTTPClient
    let environment: [String: String]

    func credentials() async throws(StorageError) -> S3Credentials? {
        if environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() == "true" { return nil }
        let root = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254"
        let base = (root.hasSuffix("/") ? String(root.dropLast()) : root) + "/latest/"
        let list = base + "meta-data/iam/security-credentials/"
        do throws(HTTPError) {
            let lifetime: HTTPHeaders = ["X-aws-ec2-metadata-token-ttl-seconds": "21600"]
            guard let token = try await http.text(.put, base + "api/token", lifetime, seconds: 1) else { return nil }
            let headers: HTTPHeaders = ["X-aws-ec2-metadata-token": token]
            guard let roles = try await http.text(.get, list, headers, seconds: 5),
                let role = roles.split(whereSeparator: \.isNewline).first,
                let text = try await http.text(.get, list + role, headers, seconds: 5)
            else { return nil }
            return try? JSONDecoder().decode(CredentialDocument.self, from: Data(text.utf8)).credentials
        } catch {
            if error.reason == .cancelled { throw .cancelled }
            return nil
        }
    }
}

/// The credentials that STS gives for an identity token in a file (Kubernetes service accounts).
struct WebIdentityCredentials: CredentialProvider {
    let http: HTTPClient
    let environment: [String: String]
    let region: String

    func credentials() async throws(StorageError) -> S3Credentials? {
        guard let file = environment["AWS_WEB_IDENTITY_TOKEN_FILE"], let role = environment["AWS_ROLE_ARN"] else {
            return nil
        }
        guard let token = await TextFile.read(file) else {
            throw unavailable("web identity", "“\(file.abbreviated)” can't be read")
        }
        do throws(HTTPError) {
            let response = try await http.send(request(role, token.filter { !$0.isWhitespace }))
            let document = XMLDocument.parse(try await response.body.collect(upTo: 1 << 20))
            let found = document?["AssumeRoleWithWebIdentityResult"]?["Credentials"]
            if let id = found?.text("AccessKeyId"), let secret = found?.text("SecretAccessKey") {
                return S3Credentials(
                    accessKeyID: id, secretAccessKey: secret, sessionToken: found?.text("SessionToken"),
                    expiration: ServerTime.iso(found?.text("Expiration")))
            }
            let reason = document?["Error"]?.text("Message") ?? "status \(response.status)"
            throw HTTPError(.broken, .never, reason)
        } catch {
            throw unavailable("web identity", error.message)
        }
    }

    /// Where STS is.
    var endpoint: String {
        environment["AWS_ENDPOINT_URL_STS"] ?? "https://sts.\(region).\(S3Endpoint.domain(of: region))"
    }

    private func request(_ role: String, _ token: String) -> HTTPRequest {
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
            ("RoleSessionName", environment["AWS_ROLE_SESSION_NAME"] ?? "nats-storage"), ("WebIdentityToken", token),
        ]
        return HTTPRequest(
            .post, endpoint + "/", headers: ["Content-Type": "application/x-www-form-urlencoded"],
            body: .bytes(Array(PercentEncoding.query(form).utf8)), timeout: .seconds(10))
    }
}
