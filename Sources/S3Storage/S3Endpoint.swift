import Encodings
import FoundationEssentials
import Storage
import HTTP

/// Where requests for a bucket go.
struct S3Endpoint: Sendable {
    /// `https` or `http`.
    let scheme: String
    /// What the `Host` header says: no port where it is the scheme's own.
    let host: String
    /// What every path begins with: empty, or the bucket.
    let root: String
    /// Whether it is AWS itself, whose abilities are known.
    let isAWS: Bool

    var isSecure: Bool { scheme == "https" }

    init(_ configuration: S3Configuration, region: String) throws(StorageError) {
        let bucket = configuration.bucket
        guard let endpoint = configuration.endpoint else {
            // A dot in the name would not fit the certificate's wildcard.
            let byPath = configuration.forcePathStyle ?? bucket.contains(".")
            scheme = "https"
            host = (byPath ? "" : bucket + ".") + "s3.\(region).\(Self.domain(of: region))"
            root = byPath ? "/" + bucket : ""
            isAWS = true
            return
        }
        let parts = try Self.parse(endpoint)
        let byPath = configuration.forcePathStyle ?? true
        scheme = parts.scheme
        host = (byPath ? "" : bucket + ".") + parts.host
        root = parts.path + (byPath ? "/" + bucket : "")
        isAWS = parts.host.hasSuffix(".amazonaws.com") || parts.host.hasSuffix(".amazonaws.com.cn")
    }

    /// AWS' domain for a region.
    static func domain(of region: String) -> String {
        region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
    }

    private static func parse(_ text: String) throws(StorageError) -> (scheme: String, host: String, path: String) {
        func flaw() -> StorageError {
            StorageError(
                .invalid, "endpoint “\(text.abbreviated)” is not of the form https://host or https://host:port",
                operation: .open)
        }
        let halves = (text.contains("://") ? text : "https://" + text).split(separator: "://", maxSplits: 1)
        guard halves.count == 2, halves[0] == "https" || halves[0] == "http" else { throw flaw() }
        let rest = halves[1].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let path = rest.count > 1 ? String(rest[1]) : ""
        var host = rest[0].lowercased()
        let own = halves[0] == "https" ? ":443" : ":80"
        if host.hasSuffix(own) { host = String(host.dropLast(own.count)) }
        guard !host.isEmpty, !host.utf8.contains(where: { $0 <= 0x20 || $0 > 0x7E || $0 == UInt8(ascii: "@") }),
            !path.contains("?"), !path.contains("#")
        else { throw flaw() }
        let trimmed = path.hasSuffix("/") ? String(path.dropLast()) : path
        return (
            String(halves[0]), host, trimmed.isEmpty ? "" : "/" + PercentEncoding.encode(trimmed, keepingSlashes: true)
        )
    }

    /// The encoded path of an object, or of the bucket.
    func path(_ key: String?) -> String {
        guard let key else { return root.isEmpty ? "/" : root }
        return root + "/" + PercentEncoding.encode(key, keepingSlashes: true)
    }

    func url(_ path: String, query: String) -> String {
        "\(scheme)://\(host)\(path)" + (query.isEmpty ? "" : "?" + query)
    }
}
