import Encodings
import Foundation
import HTTP
import TestSupport
import Testing

@testable import S3Storage

@Suite struct SignerTests {
    private let credentials = S3Credentials(
        accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    private let time = SigningTime(Date(timeIntervalSince1970: 1_369_353_600))
    private let signer = Signer(region: "us-east-1")
    private let host = ("host", "examplebucket.s3.amazonaws.com")
    private let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    /// The examples of <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
    @Test func publishedVectors() {
        #expect(time.stamp == "20130524T000000Z")
        let hello = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
        let examples: [(Signer.Request, String)] = [
            (
                request("GET", "/test.txt", [], [("range", "bytes=0-9")], empty),
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            ),
            (
                request(
                    "PUT", "/test%24file.text", [],
                    [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")], hello),
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
            ),
            (
                request("GET", "/", [("lifecycle", "")], [], empty),
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
            ),
            (
                request("GET", "/", [("prefix", "J"), ("max-keys", "2")], [], empty),
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
            ),
        ]
        for (request, signature) in examples {
            let header = signer.authorization(request, credentials, time)
            #expect(header.hasSuffix("Signature=" + signature), "\(header)")
        }
        let presigned = Signer.Request(
            method: "GET", path: "/test.txt", query: [], headers: [host], payloadHash: Signer.unsignedPayload)
        let query = signer.presignedQuery(presigned, credentials, time, seconds: 86400)
        #expect(query.hasSuffix("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"))
    }

    private func request(
        _ method: String, _ path: String, _ query: [(String, String)], _ headers: [(String, String)], _ hash: String
    ) -> Signer.Request {
        Signer.Request(
            method: method, path: path, query: query,
            headers: [host, ("x-amz-content-sha256", hash), ("x-amz-date", time.stamp)] + headers, payloadHash: hash)
    }

    /// Keys, queries and headers that others sign wrongly, against botocore.
    @Test func botocoreSignsTheSame() async throws {
        let keys = [
            "a b", "a+b", "100%", "~", "ü/日本", "!*'():@=+,;&$", "a/../b", "x%2Fy", "\"quoted\"", "[a]{b}", "a//b", "?#",
        ]
        let headers = [
            ("x-amz-meta-k", "1"), ("x-amz-meta-k1", "2"), ("x-amz-meta-long", "a b c"), ("range", "bytes=0-1"),
            ("content-type", "text/plain; charset=utf-8"), ("if-none-match", "*"),
        ]
        let query = [("prefix", "a b/ü+%"), ("uploads", ""), ("X", "1"), ("list-type", "2"), ("a-b", "~")]
        let program = """
            import sys, json
            from botocore.auth import S3SigV4Auth
            from botocore.awsrequest import AWSRequest
            from botocore.credentials import Credentials
            import botocore.auth, datetime
            from urllib.parse import quote
            keys, headers, query = json.loads(sys.argv[1])
            for name in ("get_current_datetime",):
                if hasattr(botocore.auth, name):
                    setattr(botocore.auth, name, lambda *a, **k: datetime.datetime(2013, 5, 24))
            for key in keys:
                url = "https://examplebucket.s3.amazonaws.com/" + quote(key, safe="/~")
                request = AWSRequest("PUT", url, headers=dict(headers), data=b"", params=dict(query))
                S3SigV4Auth(Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), "s3",
                    "us-east-1").add_auth(request)
                print(request.headers["Authorization"].split("Signature=")[1], request.headers["X-Amz-Date"])
            """
        let input = try JSONSerialization.data(withJSONObject: [
            keys, headers.map { [$0.0, $0.1] }, query.map { [$0.0, $0.1] },
        ])
        let lines = try await python(program, [String(decoding: input, as: UTF8.self)]).split(separator: "\n")
        #expect(lines.count == keys.count)
        for (key, line) in zip(keys, lines) {
            let path = "/" + PercentEncoding.encode(key, keepingSlashes: true)
            let signed = request("PUT", path, query, headers, empty)
            let header = signer.authorization(signed, credentials, time)
            #expect(line.hasSuffix(time.stamp))
            #expect(header.hasSuffix("Signature=" + line.prefix { $0 != " " }), "“\(key)”")
        }
    }

    @Test func secretsAreNotPrinted() {
        var secret = credentials
        secret.sessionToken = "token-of-mine"
        var dumped = ""
        dump(secret, to: &dumped)
        var configuration = S3Configuration(bucket: "b")
        configuration.credentials = .fixed(secret)
        for text in ["\(secret)", String(reflecting: secret), dumped, "\(configuration)"] {
            #expect(!text.contains("EXAMPLEKEY") && !text.contains("token-of-mine"))
        }
    }
}
