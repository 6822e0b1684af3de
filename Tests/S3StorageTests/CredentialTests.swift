import Foundation
import HTTP
import HTTPStorage
import Storage
import TestSupport
import Testing

@testable import S3Storage

@Suite struct CredentialTests {
    private func found(_ provider: any CredentialProvider) async throws -> String? {
        try await provider.credentials()?.accessKeyID
    }

    @Test func environment() async throws {
        let full = ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"]
        let credentials = try await EnvironmentCredentials(environment: full).credentials()
        #expect(credentials?.accessKeyID == "a" && credentials?.sessionToken == "c")
        #expect(try await found(EnvironmentCredentials(environment: ["AWS_ACCESS_KEY_ID": "a"])) == nil)
    }

    @Test func sharedFiles() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder.appending(path: ".aws"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let credentials = """
            # a comment
            [default]
            aws_access_key_id = one
            aws_secret_access_key=s/=1
            [ other ]
            aws_access_key_id=two
            aws_secret_access_key = s2
            aws_session_token = t2
            """
        let config = """
            [profile other]
            region = eu-central-1
            s3 =
              max_concurrent_requests = 20
            [sso-session x]
            region = nowhere
            """
        try credentials.write(to: folder.appending(path: ".aws/credentials"), atomically: true, encoding: .utf8)
        try config.write(to: folder.appending(path: ".aws/config"), atomically: true, encoding: .utf8)
        let environment = ["HOME": folder.path]
        let first = ProfileCredentials(name: "default", isRequired: true, environment: environment)
        let second = ProfileCredentials(name: "other", isRequired: true, environment: environment)
        #expect(try await first.credentials()?.secretAccessKey == "s/=1")
        #expect(try await second.credentials()?.sessionToken == "t2")
        #expect(await SharedFiles(environment: environment).profile("other")?["region"] == "eu-central-1")
        await #expect(throws: StorageError.self) {
            try await ProfileCredentials(name: "none", isRequired: true, environment: environment).credentials()
        }
        #expect(
            try await found(ProfileCredentials(name: "none", isRequired: false, environment: environment)) == nil)
    }

    @Test func metadataServices() async throws {
        let server = try await FaultServer()
        let http = try HTTPClient()
        let container = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url + "/_container"]
        #expect(try await found(ContainerCredentials(http: http, environment: container))?.hasPrefix("key-") == true)
        #expect(try await found(ContainerCredentials(http: http, environment: [:])) == nil)
        let instance = ["AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url + "/_imds"]
        let role = try await InstanceCredentials(http: http, environment: instance).credentials()
        #expect(role?.sessionToken == "t" && role?.expiration.map { $0 > .now } == true)
        let none = ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:\(try NATSServer.freePort())"]
        #expect(try await found(InstanceCredentials(http: http, environment: none)) == nil)
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try "identity\n".write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let web = [
            "AWS_WEB_IDENTITY_TOKEN_FILE": file.path, "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
            "AWS_ENDPOINT_URL_STS": server.url + "/_sts",
        ]
        let identity = WebIdentityCredentials(http: http, environment: web, region: "eu-west-1")
        #expect(try await found(identity)?.hasPrefix("key-") == true)
        for (region, host) in [("eu-west-1", "eu-west-1.amazonaws.com"), ("cn-north-1", "cn-north-1.amazonaws.com.cn")]
        {
            let identity = WebIdentityCredentials(http: http, environment: [:], region: region)
            #expect(identity.endpoint == "https://sts.\(host)")
        }
    }

    @Test func oneFetchServesAllAndRenewsInTime() async throws {
        final class Counter: CredentialProvider {
            let lifetime: TimeInterval
            let count = Count()
            init(_ lifetime: TimeInterval) { self.lifetime = lifetime }
            func credentials() async throws(StorageError) -> S3Credentials? {
                let number = await count.next()
                try? await Task.sleep(for: .milliseconds(50))
                if number > 1 && lifetime < 300 { throw StorageError(.unavailable, "no more") }
                return S3Credentials(
                    accessKeyID: "key-\(number)", secretAccessKey: "s",
                    expiration: Date.now.addingTimeInterval(lifetime))
            }
        }
        actor Count {
            var value = 0
            func next() -> Int {
                value += 1
                return value
            }
        }
        let long = Counter(3600)
        let cache = CredentialCache(long)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try? await cache.current() } }
        }
        let first = try await cache.current()
        #expect(first.accessKeyID == "key-1")
        await cache.invalidate(first)
        #expect(try await cache.current().accessKeyID == "key-2")
        // Of requests that were under way together each is refused, the last one after others were fetched.
        await cache.invalidate(first)
        #expect(try await cache.current().accessKeyID == "key-2")
        // Within the margin: renewed, or kept as long as they last.
        let short = CredentialCache(Counter(100))
        #expect(try await short.current().accessKeyID == "key-1")
        #expect(try await short.current().accessKeyID == "key-1")
        await #expect(throws: StorageError.self) {
            try await CredentialCache(CredentialChain(providers: [])).current()
        }
    }
}
