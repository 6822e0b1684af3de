import Foundation
import HTTP
import Logging
import S3Storage
import Storage
import Synchronization
import TestSupport
import Testing

/// The server beside this file, which fails as it is told.
struct FaultServer {
    struct State: Decodable {
        var objects: Int
        var uploads: Int
        var requests: [String]
        /// The headers of the last request that made an object or began an upload.
        var written: [String: String]
    }

    let process: ServerProcess
    private let http: HTTPClient

    init() async throws {
        process = try await ServerProcess(script: "server.py")
        http = try HTTPClient()
    }

    var url: String { "http://127.0.0.1:\(process.port)" }

    func open(
        environment: [String: String] = [:], _ adjust: (inout S3Configuration) -> Void = { _ in }
    ) async throws -> S3Store {
        var configuration = S3Configuration(bucket: "bucket")
        configuration.endpoint = url
        configuration.partSize = 5 << 20
        configuration.conditionalWrites = .supported
        configuration.retryBase = .milliseconds(40)
        if environment.isEmpty {
            configuration.credentials = .fixed(S3Credentials(accessKeyID: "id", secretAccessKey: "secret"))
        }
        adjust(&configuration)
        return try await S3Store.open(configuration, environment: environment, logger: Logger(label: "test"))
    }

    /// Each fault: method, part of the path, times, kind and what belongs to it.
    func fail(_ faults: [String: any Sendable]...) async throws {
        let body = try JSONSerialization.data(withJSONObject: faults.map { ["times": 1].merging($0) { $1 } })
        _ = try await http.send(HTTPRequest(.put, url + "/_faults", body: .bytes(Array(body))))
    }

    /// What waits to be late goes on.
    func release() async throws {
        _ = try await http.send(HTTPRequest(.put, url + "/_release", body: .bytes([])))
    }

    func setClock(ahead seconds: Int) async throws {
        _ = try await http.send(HTTPRequest(.put, url + "/_clock?ahead=\(seconds)", body: .bytes([])))
    }

    /// How it differs from S3: `folders` or `copies`.
    func differ(by manner: String) async throws {
        _ = try await http.send(HTTPRequest(.put, url + "/_manner?is=\(manner)", body: .bytes([])))
    }

    func state() async throws -> State {
        let response = try await http.send(HTTPRequest(.get, url + "/_state"))
        return try JSONDecoder().decode(State.self, from: Data(try await response.body.collect(upTo: 1 << 20)))
    }
}

@Suite struct FaultTests {
    private static let slow: [String: any Sendable] = ["kind": "status", "status": 503, "code": "SlowDown"]

    @Test func stormsPass() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        let storms: [[String: any Sendable]] = [
            Self.slow, ["kind": "status", "status": 500, "code": "InternalError"], ["kind": "reset"],
            ["kind": "status", "status": 409, "code": "OperationAborted"], ["kind": "reset-in-body"],
            ["kind": "error-in-success", "code": "InternalError", "match": "uploadId", "method": "POST"],
        ]
        for storm in storms {
            for size in [1000, 11 << 20] {
                try await server.fail(storm.merging(["times": 3]) { $1 })
                let content = bytes(size)
                try await store.put("key", ObjectBody(content))
                try await server.fail(storm.merging(["times": 2]) { $1 })
                #expect(try await store.bytes("key") == content, "\(storm)")
            }
            try await server.fail(storm.merging(["times": 2]) { $1 })
            #expect(try await store.list(ListQuery()).keys == ["key"])
        }
        #expect(try await server.state().uploads == 0)
    }

    @Test func stormsThatDoNotPassAreTold() async throws {
        let server = try await FaultServer()
        let store = try await server.open {
            $0.maxAttempts = 2
            $0.http.stallTimeout = .seconds(2)
        }
        let endless: [([String: any Sendable], StorageError.Kind, StorageError.Class)] = [
            (Self.slow.merging(["headers": ["Retry-After": "1"]]) { $1 }, .throttled, .transient),
            (["kind": "status", "status": 500, "code": "InternalError"], .unavailable, .transient),
            (["kind": "reset"], .unavailable, .transient), (["kind": "hang"], .timeout, .transient),
            (["kind": "status", "status": 403, "code": "AccessDenied"], .internal, .fatal),
            (["kind": "status", "status": 403, "code": "SignatureDoesNotMatch"], .internal, .fatal),
            (["kind": "status", "status": 404, "code": "NoSuchBucket"], .unavailable, .fatal),
            (["kind": "status", "status": 400, "code": "EntityTooLarge"], .tooLarge, .invalid),
            (["kind": "status", "status": 501, "code": "NotImplemented"], .unsupported, .invalid),
        ]
        for (fault, kind, errorClass) in endless {
            try await server.fail(fault.merging(["times": 100]) { $1 })
            let error = await #expect(throws: StorageError.self) { try await store.put("key", ObjectBody("x")) }
            #expect(error?.kind == kind && error?.errorClass == errorClass, "\(fault): \(error?.message ?? "")")
            if kind == .throttled { #expect(error?.retryAfter == .seconds(1)) }
        }
    }

    /// The answer is lost, the request is sent again and meets itself.
    @Test func ownWritesAreRecognized() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        let lost: [String: any Sendable] = ["kind": "lost", "method": "PUT"]
        try await server.fail(lost)
        let created = try await store.put("key", ObjectBody("1"), options: PutOptions(precondition: .absent))
        #expect(try await store.info("key").version == created.version)
        try await server.fail(lost.merging(["times": 2]) { $1 })
        let swap = PutOptions(precondition: .matches(created.version))
        let swapped = try await store.put("key", ObjectBody("2"), options: swap)
        #expect(try await store.info("key").version == swapped.version)
        await #expect { try await store.put("key", ObjectBody("3"), options: swap) } throws: {
            ($0 as? StorageError)?.currentVersion == swapped.version
        }
        try await server.fail(["kind": "lost", "method": "POST", "match": "uploadId"])
        let large = try await store.put("large", ObjectBody(bytes(11 << 20)))
        #expect(try await store.info("large").version == large.version)
        #expect(try await server.state().uploads == 0)
    }

    @Test func brokenBodiesGoOn() async throws {
        let server = try await FaultServer()
        let store = try await server.open { $0.http.stallTimeout = .seconds(2) }
        let content = bytes(3_000_000)
        try await store.put("key", ObjectBody(content))
        try await server.fail(
            ["kind": "truncate", "after": 1_000_000], ["kind": "truncate", "after": 100_000],
            ["kind": "truncate", "after": 0], ["kind": "stall", "after": 500_000])
        #expect(try await store.bytes("key") == content)
        try await server.fail(["kind": "truncate", "after": 1000], ["kind": "truncate", "after": 1000])
        let options = GetOptions(range: .bounded(first: 10, last: 19_999))
        #expect(try await store.get("key", options: options).body.collect(upTo: 1 << 20) == Array(content[10..<20_000]))
    }

    @Test func replacedWhileReadIsTold() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        try await store.put("key", ObjectBody(bytes(3_000_000)))
        try await server.fail(["kind": "truncate", "after": 1_000_000, "method": "GET"])
        let object = try await store.get("key")
        try await store.put("key", ObjectBody("another"))
        let error = await #expect(throws: StorageError.self) { try await object.body.collect(upTo: 1 << 24) }
        #expect(error?.kind == .unavailable && error?.errorClass == .transient)
    }

    /// A server that ignores the condition and goes on with another object.
    @Test func anotherETagIsNotGoneOnWith() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        try await store.put("key", ObjectBody(bytes(3_000_000)))
        try await server.fail(["kind": "truncate", "after": 1_000_000], ["kind": "wrong-etag"])
        let error = await #expect(throws: StorageError.self) { try await store.bytes("key") }
        #expect(error?.kind == .unavailable && error?.errorClass == .transient)
    }

    /// Listens, takes requests and says nothing; then is gone in the middle of its life.
    @Test func aServerThatLeavesIsTold() async throws {
        let server = try await FaultServer()
        let store = try await server.open {
            $0.maxAttempts = 1
            $0.http.stallTimeout = .seconds(2)
        }
        try await store.put("key", ObjectBody("x"))
        for (method, size) in [("PUT", 11 << 20), ("GET", 0), ("DELETE", 0)] {
            try await server.fail(["kind": "hang", "times": 100, "method": method])
            let error = await #expect(throws: StorageError.self) {
                switch method {
                case "PUT": _ = try await store.put("key", ObjectBody(bytes(size)))
                case "GET": _ = try await store.bytes("key")
                default: _ = try await store.delete("key")
                }
            }
            #expect(error?.kind == .timeout && error?.errorClass == .transient, "\(method)")
        }
        try await server.fail()
        #expect(try await server.state().uploads == 0)
        server.process.kill()
        let error = await #expect(throws: StorageError.self) { try await store.put("key", ObjectBody("y")) }
        #expect(error?.kind == .unavailable && error?.errorClass == .transient)
    }

    @Test func headersAreAsConfigured() async throws {
        let server = try await FaultServer()
        let store = try await server.open {
            $0.storageClass = "STANDARD_IA"
            $0.serverSideEncryption = "aws:kms"
            $0.kmsKeyID = "key-of-mine"
        }
        for size in [5, 11 << 20] {
            let content = bytes(size)
            try await store.put("key", ObjectBody(content))
            // The request that made the object, or began the upload.
            let headers = try await server.state().written
            #expect(headers["x-amz-storage-class"] == "STANDARD_IA")
            #expect(headers["x-amz-server-side-encryption"] == "aws:kms")
            #expect(headers["x-amz-server-side-encryption-aws-kms-key-id"] == "key-of-mine")
            if size == 5 {
                let checksum = Data(Digest(of: content).bytes).base64EncodedString()
                #expect(headers["x-amz-checksum-sha256"] == checksum)
            }
        }
    }

    @Test func damageIsNotGiven() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        try await store.put("key", ObjectBody("content"))
        try await server.fail(["kind": "corrupt"])
        let error = await #expect(throws: StorageError.self) { try await store.bytes("key") }
        #expect(error?.kind == .internal)
    }

    @Test func failedUploadsAreAborted() async throws {
        let server = try await FaultServer()
        let store = try await server.open()
        let content = bytes(21 << 20)
        try await server.fail(["kind": "status", "status": 400, "code": "BadThing", "match": "partNumber=3"])
        await #expect(throws: StorageError.self) { try await store.put("key", ObjectBody(content)) }
        let broken = ObjectBody(size: nil) { () async throws(StorageError) in throw StorageError(.throttled, "own") }
        await #expect(throws: StorageError.self) { try await store.put("key", broken) }
        let wrong = PutOptions(expectedDigest: Digest(of: [1]))
        await #expect(throws: StorageError.self) { try await store.put("key", ObjectBody(content), options: wrong) }
        let count = Mutex(0)
        let endless = ObjectBody(size: nil) { () async throws(StorageError) in
            if count.withLock({ count in
                count += 1; return count
            }) > 12 {
                while (try? await Task.sleep(for: .seconds(60))) != nil {}
                throw .cancelled
            }
            return [UInt8](repeating: 0, count: 1 << 20)
        }
        let put = Task { try await store.put("key", endless) }
        try await eventually("no upload is opened") { try await server.state().uploads > 0 }
        put.cancel()
        await #expect { try await put.value } throws: { ($0 as? StorageError)?.kind == .cancelled }
        let state = try await server.state()
        #expect(state.uploads == 0 && state.objects == 0)
    }

    @Test func aClockThatIsWrongIsCorrected() async throws {
        let server = try await FaultServer()
        try await server.setClock(ahead: 7200)
        let store = try await server.open()
        let info = try await store.put("key", ObjectBody("x"))
        #expect(abs(info.modified.timeIntervalSinceNow - 7200) < 60)
    }

    @Test func expiredCredentialsAreFetchedAnew() async throws {
        let server = try await FaultServer()
        let environment = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url + "/_container", "HOME": "/nowhere"]
        let store = try await server.open(environment: environment)
        try await server.fail(["kind": "expired", "times": 3])
        try await store.put("key", ObjectBody("x"))
        #expect(try await store.bytes("key") == Array("x".utf8))
    }

    @Test func nobodyThere() async throws {
        let port = try NATSServer.freePort()
        var configuration = S3Configuration(bucket: "bucket")
        configuration.endpoint = "http://127.0.0.1:\(port)"
        configuration.credentials = .anonymous
        configuration.maxAttempts = 2
        let error = await #expect(throws: StorageError.self) {
            try await S3Store.open(configuration, environment: [:], logger: Logger(label: "test"))
        }
        #expect(error?.kind == .unavailable && error?.operation == .open)
    }
}
