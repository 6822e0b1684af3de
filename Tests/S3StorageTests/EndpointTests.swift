import Storage
import Testing

@testable import S3Storage

@Suite struct EndpointTests {
    @Test(
        arguments: [
            (nil, nil, "bucket", "eu-west-1", "https://bucket.s3.eu-west-1.amazonaws.com/a%20b"),
            (nil, true, "bucket", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/bucket/a%20b"),
            (nil, nil, "my.bucket", "us-east-1", "https://s3.us-east-1.amazonaws.com/my.bucket/a%20b"),
            (nil, nil, "bucket", "cn-north-1", "https://bucket.s3.cn-north-1.amazonaws.com.cn/a%20b"),
            ("http://127.0.0.1:9000", nil, "bucket", "us-east-1", "http://127.0.0.1:9000/bucket/a%20b"),
            ("http://127.0.0.1:9000/", false, "bucket", "us-east-1", "http://bucket.127.0.0.1:9000/a%20b"),
            ("https://s3.local:443", nil, "bucket", "us-east-1", "https://s3.local/bucket/a%20b"),
            ("http://s3.local:80", nil, "bucket", "us-east-1", "http://s3.local/bucket/a%20b"),
            ("S3.Local", nil, "bucket", "us-east-1", "https://s3.local/bucket/a%20b"),
            ("https://s3.local/sub path/", nil, "bucket", "us-east-1", "https://s3.local/sub%20path/bucket/a%20b"),
        ] as [(String?, Bool?, String, String, String)])
    func requestsGoWhereTheyShould(
        _ endpoint: String?, _ byPath: Bool?, _ bucket: String, _ region: String, _ expected: String
    ) throws {
        var configuration = S3Configuration(bucket: bucket)
        configuration.endpoint = endpoint
        configuration.forcePathStyle = byPath
        let found = try S3Endpoint(configuration, region: region)
        #expect(found.url(found.path("a b"), query: "") == expected)
        #expect(found.isAWS == (endpoint == nil))
    }

    @Test(arguments: ["ftp://x", "https://", "http://a b", "https://u@h", "https://h/?q", "://h"])
    func othersAreRefused(_ endpoint: String) {
        var configuration = S3Configuration(bucket: "bucket")
        configuration.endpoint = endpoint
        #expect(throws: StorageError.self) { try S3Endpoint(configuration, region: "us-east-1") }
    }
}
