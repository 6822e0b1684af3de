import Foundation
import HTTP
import Logging
import Storage
import Synchronization
import TestSupport
import Testing

@testable import S3Storage

@Suite struct S3StoreTests {
    private func stream(_ count: Int, chunk: Int = 100_000, size: Int? = nil) -> ObjectBody {
        let content = bytes(count)
        let offset = Mutex(0)
        return ObjectBody(size: size) { () async throws(StorageError) in
            let range = offset.withLock { start in
                let end = min(start + chunk, count)
                defer { start = end }
                return start..<end
            }
            return range.isEmpty ? nil : Array(content[range])
        }
    }

    @Test(arguments: [S3Flavor.seaweed, .moto, .openstack])
    func partsMakeOneObject(_ flavor: S3Flavor) async throws {
        let server = try await S3Server(flavor)
        let store = try await server.open { $0.partSize = 5 << 20 }
        let attributes = ObjectAttributes(contentType: "a/b", metadata: ["Name": ["1", "ü"], "plain": ["x"]])
        for size in [5 << 20, (5 << 20) + 1, 10 << 20, 23_456_789] {
            let content = bytes(size)
            for known in [size, nil] {
                let options = PutOptions(attributes: attributes)
                let info = try await store.put("large", stream(size, size: known), options: options)
                #expect(info.size == size && info.digest == Digest(of: content))
                let object = try await store.get("large")
                #expect(object.info.version == info.version && object.info.attributes == attributes)
                #expect(try await object.body.collect(upTo: size) == content)
            }
        }
        #expect(try await store.abortUploads(before: .now.addingTimeInterval(60)) == 0)
        await store.shutdown()
    }

    @Test(arguments: [S3Flavor.seaweed, .moto])
    func ofLargeConditionalPutsOneWins(_ flavor: S3Flavor) async throws {
        let server = try await S3Server(flavor)
        let store = try await server.open { $0.partSize = 5 << 20 }
        let create: @Sendable (Int) async -> Result<ObjectInfo, any Error> = { number in
            do {
                let options = PutOptions(precondition: .absent)
                return .success(try await store.put("k", self.stream((6 << 20) + number), options: options))
            } catch {
                return .failure(error)
            }
        }
        let outcomes = await withTaskGroup(of: Result<ObjectInfo, any Error>.self) { group in
            for number in 0..<4 { group.addTask { await create(number) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let winners = outcomes.compactMap { try? $0.get() }
        #expect(winners.count == 1)
        for case .failure(let error) in outcomes {
            let error = error as? StorageError
            #expect(
                error?.kind == .preconditionFailed && error?.errorClass == .conflict, "\(error as Any)")
        }
        let winner = try #require(winners.first)
        #expect(try await store.info("k").version == winner.version)
        // Not in parts: the digest is kept.
        #expect(try await store.info("k").digest == Digest(of: bytes(winner.size)))
        let swap = PutOptions(precondition: .matches(winner.version))
        let next = try await store.put("k", stream(7 << 20), options: swap)
        await #expect { try await store.put("k", self.stream(7 << 20), options: swap) } throws: {
            ($0 as? StorageError)?.currentVersion == next.version
        }
        #expect(try await store.bytes("k") == bytes(7 << 20))
        await store.shutdown()
    }

    /// The same bytes have the same ETag: the version tells them apart all the same.
    @Test func whatComesBackIsNotTheSame() async throws {
        let server = try await S3Server(.seaweed)
        let store = try await server.open()
        let first = try await store.put("k", ObjectBody("A"))
        try await store.put("k", ObjectBody("B"))
        let third = try await store.put("k", ObjectBody("A"))
        for options in [PutOptions(precondition: .matches(first.version))] {
            await #expect { try await store.put("k", ObjectBody("C"), options: options) } throws: {
                ($0 as? StorageError)?.currentVersion == third.version
            }
        }
        let delete = DeleteOptions(precondition: .matches(first.version))
        await #expect(throws: StorageError.self) { try await store.delete("k", options: delete) }
        await store.shutdown()
    }

    @Test(arguments: S3Flavor.allCases)
    func whatTheServerCanIsFoundOut(_ flavor: S3Flavor) async throws {
        let server = try await S3Server(flavor)
        let store = try await server.open()
        let expected: Capabilities =
            switch flavor {
            case .seaweed, .moto: [.createOnly, .compareAndSwap, .metadataUpdate]
            case .rclone, .openstack: []
            }
        #expect(store.capabilities == expected)
        #expect(try await store.list(ListQuery()).keys.isEmpty, "the probe is still there")
        // Whatever a server calls itself.
        #expect(try await S3OrderProbe(store.bucket).run() == (flavor != .seaweed))
        await store.shutdown()
    }

    @Test(arguments: [S3Flavor.seaweed, .moto])
    func attributesOfALargeObjectAreReplaced(_ flavor: S3Flavor) async throws {
        let server = try await S3Server(flavor)
        let store = try await server.open { $0.partSize = 5 << 20 }
        let content = bytes(6 << 20)
        let first = try await store.put("large", ObjectBody(content))
        let attributes = ObjectAttributes(contentType: "a/b", metadata: ["M": ["1"]])
        let second = try await store.setMetadata("large", attributes, options: SetMetadataOptions())
        #expect(second.version != first.version && second.attributes == attributes)
        let object = try await store.get("large")
        #expect(object.info.version == second.version && object.info.attributes == attributes)
        #expect(try await object.body.collect(upTo: 7 << 20) == content)
        let late = SetMetadataOptions(precondition: .matches(first.version))
        await #expect { try await store.setMetadata("large", ObjectAttributes(), options: late) } throws: {
            ($0 as? StorageError)?.currentVersion == second.version
        }
        await store.shutdown()
    }

    @Test func othersReadAndWriteTheSame() async throws {
        let server = try await S3Server(.seaweed)
        let store = try await server.open { $0.prefix = "team/" }
        let attributes = ObjectAttributes(contentType: "text/x", metadata: ["plain": ["value"], "Große": ["ü"]])
        _ = try await store.put("dir/ü +%", ObjectBody("ours"), options: PutOptions(attributes: attributes))
        let program = """
            import sys, botocore.session
            from botocore.config import Config
            s3 = botocore.session.get_session().create_client("s3", endpoint_url=sys.argv[1], region_name="us-east-1",
                aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3], config=Config(s3={"addressing_style": "path"}))
            got = s3.get_object(Bucket=sys.argv[4], Key="team/dir/ü +%")
            print(got["Body"].read().decode(), got["ContentType"], got["Metadata"]["plain"])
            s3.put_object(Bucket=sys.argv[4], Key="team/theirs", Body=b"theirs", ContentType="a/b", Metadata={"name": "v"})
            """
        let output = try await python(
            program, [server.endpoint, S3Server.accessKey, S3Server.secretKey, server.bucket])
        #expect(output == "ours text/x value\n")
        let object = try await store.get("theirs")
        #expect(try await object.body.collect(upTo: 10) == Array("theirs".utf8))
        #expect(object.info.attributes == ObjectAttributes(contentType: "a/b", metadata: ["name": ["v"]]))
        let swap = PutOptions(precondition: .matches(object.info.version))
        _ = try await store.put("theirs", ObjectBody("ours now"), options: swap)
        #expect(try await store.list(ListQuery()).keys == ["dir/ü +%", "theirs"])
        await store.shutdown()
    }

    @Test(arguments: [S3Flavor.seaweed, .moto, .openstack])
    func urlsThatNeedNoCredentials(_ flavor: S3Flavor) async throws {
        let server = try await S3Server(flavor)
        let store = try await server.open()
        let http = try HTTPClient()
        let key: ObjectKey = "dir/a b+ü%"
        let put = try await store.presignedURL(.put, key, lifetime: .seconds(60))
        let answer = try await http.send(HTTPRequest(.put, put, body: .bytes(Array("by url".utf8))))
        #expect(answer.status == 200)
        #expect(try await store.bytes(key) == Array("by url".utf8))
        let get = try await store.presignedURL(.get, key, lifetime: .seconds(60))
        let response = try await http.send(HTTPRequest(.get, get))
        #expect(try await response.body.collect(upTo: 100) == Array("by url".utf8))
        if flavor != .moto {
            #expect(try await http.send(HTTPRequest(.get, get + "0")).status == 403)
        }
        await #expect(throws: StorageError.self) { try await store.presignedURL(.get, key, lifetime: .seconds(0)) }
        await store.shutdown()
    }

    @Test(arguments: [S3Flavor.seaweed, .moto, .openstack])
    func manyAreDeletedAndOneIsCopied(_ flavor: S3Flavor) async throws {
        let server = try await S3Server(flavor)
        let store = try await server.open { $0.prefix = "p/" }
        let keys: [ObjectKey] = ["a", "b c", "<&>\"'", "ü+%", "x/y", "never there"]
        for key in keys.dropLast() { try await store.put(key, ObjectBody("1")) }
        let attributes = ObjectAttributes(contentType: "a/b", metadata: ["M": ["1"]])
        let source = try await store.put("ü source", ObjectBody("copied"), options: PutOptions(attributes: attributes))
        let copy = try await store.copy("ü source", to: "target")
        #expect(copy.version != source.version && copy.digest == source.digest && copy.attributes == attributes)
        #expect(try await store.info("target").version == copy.version)
        #expect(try await store.bytes("target") == Array("copied".utf8))
        await #expect { try await store.copy("nothing", to: "target") } throws: {
            ($0 as? StorageError)?.kind == .notFound
        }
        #expect(try await store.delete(keys).isEmpty)
        #expect(try await store.list(ListQuery()).keys == ["target", "ü source"])
        await store.shutdown()
    }

    @Test(arguments: [S3Flavor.seaweed, .moto, .openstack])
    func formerVersionsAreListedAndRead(_ flavor: S3Flavor) async throws {
        let server = try await S3Server(flavor)
        let store = try await server.open { $0.prefix = "p/" }
        let program = """
            import sys, botocore.session
            from botocore.config import Config
            s3 = botocore.session.get_session().create_client("s3", endpoint_url=sys.argv[1], region_name="us-east-1",
                aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3], config=Config(s3={"addressing_style": "path"}))
            s3.put_bucket_versioning(Bucket=sys.argv[4], VersioningConfiguration={"Status": "Enabled"})
            """
        _ = try await python(program, [server.endpoint, S3Server.accessKey, S3Server.secretKey, server.bucket])
        let key: ObjectKey = "a b/ü"
        for text in ["one", "two", "three"] { try await store.put(key, ObjectBody(text)) }
        try await store.delete(key)
        try await store.put("other", ObjectBody("x"))
        let found = Mutex<[S3ObjectVersion]>([])
        try await store.versions(prefix: "a") { (page) throws(StorageError) in
            found.withLock { $0 += page }
            return true
        }
        let versions = found.withLock { $0 }
        #expect(versions.filter { $0.key == key }.count == 4 && versions.allSatisfy { $0.key == key })
        #expect(versions.filter(\.isDeletion).count == 1 && versions.filter(\.isLatest).map(\.isDeletion) == [true])
        var texts: Set<String> = []
        for version in versions where !version.isDeletion {
            let bytes = try await store.get(key, versionID: version.id).body.collect(upTo: 10)
            texts.insert(String(decoding: bytes, as: UTF8.self))
        }
        #expect(texts == ["one", "two", "three"])
        await #expect { try await store.get(key) } throws: { ($0 as? StorageError)?.kind == .notFound }
        await store.shutdown()
    }

    @Test func wrongSecretsAndBucketsAreTold() async throws {
        let server = try await S3Server(.seaweed)
        try await server.open().shutdown()
        let wrong = S3Credentials(accessKeyID: S3Server.accessKey, secretAccessKey: "wrong-secret")
        let cases: [(String, StorageError.Kind, (inout S3Configuration) -> Void)] = [
            ("secret", .internal, { $0.credentials = .fixed(wrong) }),
            ("none", .internal, { $0.credentials = .chain }),
            (
                "bucket", .unavailable,
                {
                    $0.bucket = "missing"
                    $0.create = false
                }
            ), ("name", .invalid, { $0.bucket = "a b" }), ("endpoint", .invalid, { $0.endpoint = "ftp://x" }),
        ]
        for (name, kind, adjust) in cases {
            let error = await #expect(throws: StorageError.self) {
                var configuration = server.configuration
                adjust(&configuration)
                let environment = ["HOME": "/nowhere", "AWS_EC2_METADATA_DISABLED": "true"]
                _ = try await S3Store.open(configuration, environment: environment, logger: Logger(label: "test"))
            }
            #expect(error?.kind == kind && error?.errorClass != .transient, "\(name): \(error.map(String.init) ?? "")")
            #expect(error?.message.contains("wrong-secret") == false)
        }
    }

    /// Begun by another client and never ended.
    @Test func oldUploadsAreAborted() async throws {
        let server = try await S3Server(.seaweed)
        let store = try await server.open { $0.prefix = "p/" }
        let program = """
            import sys, botocore.session
            from botocore.config import Config
            s3 = botocore.session.get_session().create_client("s3", endpoint_url=sys.argv[1], region_name="us-east-1",
                aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3], config=Config(s3={"addressing_style": "path"}))
            for key in ["p/a b+ü", "p/x", "other"]:
                s3.create_multipart_upload(Bucket=sys.argv[4], Key=key)
            """
        let arguments = [server.endpoint, S3Server.accessKey, S3Server.secretKey, server.bucket]
        _ = try await python(program, arguments)
        #expect(try await store.abortUploads(before: .now.addingTimeInterval(-3600)) == 0)
        #expect(try await store.abortUploads(before: .now.addingTimeInterval(60)) == 2)
        #expect(try await store.abortUploads(before: .now.addingTimeInterval(60)) == 0)
        let all = try await server.open {
            $0.abortUploadsAfter = .seconds(-60)
            $0.cleanEvery = .milliseconds(1)
        }
        try await Task.sleep(for: .milliseconds(10))
        #expect(try await all.maintain().expired == [])
        #expect(try await all.abortUploads(before: .now.addingTimeInterval(60)) == 0)
        await all.shutdown()
        await store.shutdown()
    }

    /// Every request is signed, and these servers check.
    @Test(arguments: [S3Flavor.seaweed, .rclone, .openstack])
    func keysAreSignedAsTheyStand(_ flavor: S3Flavor) async throws {
        let server = try await S3Server(flavor)
        let store = try await server.open { $0.prefix = "p +%/" }
        let keys = [
            "a b", "a+b", "100%", "~", "ü/日本", "!*'():@=+,;&$", "x%2Fy", "\"q\"", "[a]{b}", "?#", "a  b", "^`|<>", "é",
            "e\u{301}",
            "🙂",
        ]
        for text in keys {
            let key = try ObjectKey(validating: text)
            try await store.put(key, ObjectBody(text))
            #expect(try await store.bytes(key) == Array(text.utf8))
            #expect(try await store.info(key).size == text.utf8.count)
            #expect(try await store.list(ListQuery(prefix: text)).keys.contains(key), "“\(text)”")
        }
        let listed = try await store.list(ListQuery(startAfter: "a b")).keys.map(\.rawValue)
        #expect(listed == keys.filter { "a b".utf8Precedes($0) }.sorted { $0.utf8Precedes($1) })
        for text in keys { #expect(try await store.delete(try ObjectKey(validating: text))) }
        #expect(try await store.list(ListQuery()).keys.isEmpty)
        await store.shutdown()
    }

    @Test func theBucketMayBeNamedInTheHost() async throws {
        let server = try await S3Server(.seaweed)
        let store = try await server.open()
        let byHost = try await server.open {
            $0.endpoint = "http://localhost:\(server.process.port)"
            $0.forcePathStyle = false
        }
        try await byHost.put("dir/ü +%", ObjectBody(bytes(9_000_000)))
        #expect(try await store.bytes("dir/ü +%") == bytes(9_000_000))
        #expect(try await byHost.list(ListQuery(prefix: "dir/ü +")).keys == ["dir/ü +%"])
        await byHost.shutdown()
        await store.shutdown()
    }

    @Test func metadataPastTheLimitIsRefused() async throws {
        let server = try await S3Server(.seaweed)
        let store = try await server.open()
        let fits = ObjectAttributes(metadata: ["Größe": [String(repeating: "ü", count: 200)], "n": ["1", "2", ""]])
        _ = try await store.put("k", ObjectBody("x"), options: PutOptions(attributes: fits))
        #expect(try await store.info("k").attributes.metadata == fits.metadata)
        let large = ObjectAttributes(metadata: ["n": [String(repeating: "x", count: 2048)]])
        await #expect {
            try await store.put("k", ObjectBody("y"), options: PutOptions(attributes: large))
        } throws: {
            ($0 as? StorageError)?.kind == .tooLarge && ($0 as? StorageError)?.message.contains("2") == true
        }
        #expect(try await store.bytes("k") == Array("x".utf8))
        await store.shutdown()
    }

    @Test func memoryStaysAtAFewParts() async throws {
        let server = try await S3Server(.seaweed)
        let store = try await server.open { $0.payloadSigning = .unsigned }
        let before = try residentBytes()
        let chunk = bytes(1 << 20)
        let count = Mutex(0)
        let most = Mutex(0)
        let body = ObjectBody(size: nil) { () async throws(StorageError) in
            guard
                count.withLock({ count in
                    count += 1; return count <= 256
                })
            else { return nil }
            let used = ((try? residentBytes()) ?? 0) - before
            most.withLock { $0 = max($0, used) }
            return chunk
        }
        try await store.put("large", body)
        var received = 0
        for try await chunk in try await store.get("large").body {
            received += chunk.count
            let used = try residentBytes() - before
            most.withLock { $0 = max($0, used) }
        }
        #expect(received == 256 << 20)
        #expect(most.withLock { $0 } < 64 << 20, "\(most.withLock { $0 } >> 20) MiB")
        await store.shutdown()
    }

    private func residentBytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        return (Int(text.split(separator: " ")[1]) ?? 0) * 4096
    }
}
