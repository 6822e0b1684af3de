import Encodings
import Crypto
import Encodings
import FoundationEssentials
import HTTP
import Storage
import Synchronization

/// Signs requests by AWS Signature Version 4.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
final class Signer: Sendable {
    /// Stands for the hash of a payload that the signature does not cover.
    static let unsignedPayload = "UNSIGNED-PAYLOAD"

    /// What the signature covers, encoded as it goes over the wire.
    struct Request: Sendable {
        var method: String
        var path: String
        var query: [(String, String)]
        /// Names in lower case; all are signed.
        var headers: [(String, String)]
        var payloadHash: String
    }

    private struct CachedKey: Sendable {
        let secret: String
        let day: String
        let key: SymmetricKey
    }

    private let region: String
    private let service: String
    private let cache = Mutex<CachedKey?>(nil)

    init(region: String, service: String = "s3") {
        self.region = region
        self.service = service
    }

    /// The value of the `Authorization` header. `request` holds the headers `host` and `x-amz-date` already.
    func authorization(_ request: Request, _ credentials: S3Credentials, _ time: SigningTime) -> String {
        let headers = Self.canonicalHeaders(request.headers)
        let scope = "\(time.day)/\(region)/\(service)/aws4_request"
        let signature = signature(Self.canonical(request, headers), scope, credentials, time)
        return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope), "
            + "SignedHeaders=\(headers.names), Signature=\(signature)"
    }

    /// The query of a URL that carries its own authorization for `seconds`.
    func presignedQuery(
        _ request: Request, _ credentials: S3Credentials, _ time: SigningTime, seconds: Int
    ) -> String {
        let headers = Self.canonicalHeaders(request.headers)
        let scope = "\(time.day)/\(region)/\(service)/aws4_request"
        var request = request
        request.query += [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", "\(credentials.accessKeyID)/\(scope)"),
            ("X-Amz-Date", time.stamp), ("X-Amz-Expires", String(seconds)), ("X-Amz-SignedHeaders", headers.names),
        ]
        if let token = credentials.sessionToken { request.query.append(("X-Amz-Security-Token", token)) }
        let signature = signature(Self.canonical(request, headers), scope, credentials, time)
        return PercentEncoding.query(request.query) + "&X-Amz-Signature=" + signature
    }

    private func signature(
        _ canonical: String, _ scope: String, _ credentials: S3Credentials, _ time: SigningTime
    ) -> String {
        let digest = Storage.Digest(of: Array(canonical.utf8)).hexadecimal
        let text = "AWS4-HMAC-SHA256\n\(time.stamp)\n\(scope)\n\(digest)"
        let code = HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key(credentials, time.day))
        return Hexadecimal.encode(Array(code))
    }

    /// The key of a day, derived once.
    private func key(_ credentials: S3Credentials, _ day: String) -> SymmetricKey {
        if let cached = cache.withLock({ $0 }), cached.day == day, cached.secret == credentials.secretAccessKey {
            return cached.key
        }
        var key = SymmetricKey(data: Data("AWS4\(credentials.secretAccessKey)".utf8))
        for part in [day, region, service, "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Data(part.utf8), using: key))
        }
        let derived = CachedKey(secret: credentials.secretAccessKey, day: day, key: key)
        cache.withLock { $0 = derived }
        return key
    }

    private static func canonical(_ request: Request, _ headers: (lines: String, names: String)) -> String {
        [
            request.method, request.path, PercentEncoding.query(request.query), headers.lines, headers.names,
            request.payloadHash,
        ].joined(separator: "\n")
    }

    /// Without blanks at the ends, and one where there are several.
    private static func folded(_ value: String) -> String {
        var lastIsBlank = true
        let isFolded = value.utf8.allSatisfy { byte in
            let isBlank = byte == UInt8(ascii: " ")
            defer { lastIsBlank = isBlank }
            return !(isBlank && lastIsBlank)
        }
        if isFolded && !lastIsBlank { return value }
        return value.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    }

    /// Sorted by name, values of one name joined in their order, runs of blanks made one.
    private static func canonicalHeaders(_ headers: [(String, String)]) -> (lines: String, names: String) {
        // The place tells values of one name apart: sorting alone need not keep their order.
        let order = headers.indices.sorted { (headers[$0].0, $0) < (headers[$1].0, $1) }
        var (lines, names, last) = ("", "", "")
        for (name, value) in order.lazy.map({ headers[$0] }) {
            if name == last {
                lines += ","
            } else {
                if !lines.isEmpty {
                    lines += "\n"
                    names += ";"
                }
                lines += name
                lines += ":"
                names += name
                last = name
            }
            lines += folded(value)
        }
        return (lines + "\n", names)
    }
}
