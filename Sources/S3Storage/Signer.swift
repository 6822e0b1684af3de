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

    /// What is derived from a secret for a day.
    private struct DayKey: Sendable {
        let secret: String
        let day: String
        let scope: String
        /// Made with the key, ready for a text.
        let code: HMAC<SHA256>
    }

    private let region: String
    private let service: String
    private let cache = Mutex<DayKey?>(nil)

    init(region: String, service: String = "s3") {
        self.region = region
        self.service = service
    }

    /// The value of the `Authorization` header. `request` holds the headers `host` and `x-amz-date` already.
    func authorization(_ request: Request, _ credentials: S3Credentials, _ time: SigningTime) -> String {
        let headers = Self.canonicalHeaders(request.headers)
        let key = key(credentials, time.day)
        let signature = Self.signature(Self.canonical(request, headers), key, time)
        return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(key.scope), "
            + "SignedHeaders=\(headers.names), Signature=\(signature)"
    }

    /// The query of a URL that carries its own authorization for `seconds`.
    func presignedQuery(
        _ request: Request, _ credentials: S3Credentials, _ time: SigningTime, seconds: Int
    ) -> String {
        let headers = Self.canonicalHeaders(request.headers)
        let key = key(credentials, time.day)
        var request = request
        request.query += [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", "\(credentials.accessKeyID)/\(key.scope)"),
            ("X-Amz-Date", time.stamp), ("X-Amz-Expires", String(seconds)), ("X-Amz-SignedHeaders", headers.names),
        ]
        if let token = credentials.sessionToken { request.query.append(("X-Amz-Security-Token", token)) }
        let signature = Self.signature(Self.canonical(request, headers), key, time)
        return PercentEncoding.query(request.query) + "&X-Amz-Signature=" + signature
    }

    private static func signature(_ canonical: [UInt8], _ key: DayKey, _ time: SigningTime) -> String {
        let digest = Storage.Digest(of: canonical).hexadecimal
        let text = "AWS4-HMAC-SHA256\n\(time.stamp)\n\(key.scope)\n\(digest)"
        var code = key.code
        code.update(data: Array(text.utf8))
        return Hexadecimal.encode(Array(code.finalize()))
    }

    /// Derived once a day.
    private func key(_ credentials: S3Credentials, _ day: String) -> DayKey {
        let secret = credentials.secretAccessKey
        if let cached = cache.withLock({ $0 }), cached.day == day, cached.secret == secret { return cached }
        let scope = [day, region, service, "aws4_request"]
        var key = SymmetricKey(data: Data("AWS4\(secret)".utf8))
        for part in scope {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Data(part.utf8), using: key))
        }
        let derived = DayKey(secret: secret, day: day, scope: scope.joined(separator: "/"), code: HMAC(key: key))
        cache.withLock { $0 = derived }
        return derived
    }

    private static func canonical(_ request: Request, _ headers: (lines: [UInt8], names: String)) -> [UInt8] {
        let newline = UInt8(ascii: "\n")
        var text: [UInt8] = []
        text.reserveCapacity(1 << 10)
        for part in [request.method, request.path, PercentEncoding.query(request.query)] {
            text += part.utf8
            text.append(newline)
        }
        text += headers.lines
        for part in [headers.names, request.payloadHash] {
            text.append(newline)
            text += part.utf8
        }
        return text
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
    private static func canonicalHeaders(_ headers: [(String, String)]) -> (lines: [UInt8], names: String) {
        // The place tells values of one name apart: sorting alone need not keep their order.
        let order = headers.indices.sorted { (headers[$0].0, $0) < (headers[$1].0, $1) }
        var (lines, names, last) = ([UInt8](), "", "")
        for (name, value) in order.lazy.map({ headers[$0] }) {
            if name == last {
                lines[lines.count - 1] = UInt8(ascii: ",")
            } else {
                if !last.isEmpty { names += ";" }
                names += name
                lines += name.utf8
                lines.append(UInt8(ascii: ":"))
                last = name
            }
            lines += folded(value).utf8
            lines.append(UInt8(ascii: "\n"))
        }
        return (lines, names)
    }
}
