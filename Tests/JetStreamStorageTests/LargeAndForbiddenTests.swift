import JetStreamStorage
import Logging
import NATS
import Storage
import Synchronization
import TestSupport
import Testing

@Suite(.serialized) struct LargeAndForbiddenTests {
    @Test(arguments: ServerFlavor.allCases)
    func threeHundredMebibytes(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let block = bytes(1 << 20)
        let pulls = Mutex(0)
        let body = ObjectBody(size: 300 << 20) { () async throws(StorageError) in
            let number = pulls.withLock { pulls in
                pulls += 1
                return pulls
            }
            return number <= 300 ? block : nil
        }
        let info = try await fixture.store.put("large", body)
        #expect(info.size == 300 << 20)
        let object = try await fixture.store.get("large")
        var count = 0
        // Reaching the end says that the digest is right.
        for try await chunk in object.body { count += chunk.count }
        #expect(count == 300 << 20)
        let range = ByteRange.bounded(first: 200 << 20, last: (200 << 20) + 99)
        let part = try await fixture.store.get("large", options: GetOptions(range: range))
        #expect(try await part.body.collect(upTo: 100) == Array(block[..<100]))
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func deniedSubjectsFailTheOperation(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(
            flavor,
            configuration: """
                authorization { users: [
                    {user: all, password: p},
                    {user: some, password: p, permissions: {publish: {deny: ["$O.B.C.>"]}}}] }
                """)
        func open(_ user: String) async throws -> (NATSConnection, JetStreamStore) {
            var options = NATSOptions()
            options.urls = [server.url]
            options.credentials = .userPassword(user, "p")
            let connection = try await NATSConnection.connect(options)
            let store = try await JetStreamStore.open(
                BucketConfiguration(name: "B"), control: connection, bulk: connection, logger: Logger(label: "test"))
            return (connection, store)
        }
        let (owner, whole) = try await open("all")
        try await whole.put("k", ObjectBody("old"))
        let (guest, restricted) = try await open("some")
        let error = await #expect(throws: StorageError.self) { try await restricted.put("k", ObjectBody("new")) }
        #expect(error?.errorClass == .fatal && error?.message.contains("ermission") == true)
        #expect(error?.key == "k" && error?.operation == .put)
        #expect(try await restricted.bytes("k") == Array("old".utf8))
        await owner.close()
        await guest.close()
    }

    @Test func missingBucketsAndForeignStreams() async throws {
        let server = try await NATSServer(.newest)
        var options = NATSOptions()
        options.urls = [server.url]
        let connection = try await NATSConnection.connect(options)
        func open(_ name: String) async throws {
            var bucket = BucketConfiguration(name: name)
            bucket.create = false
            _ = try await JetStreamStore.open(
                bucket, control: connection, bulk: connection, logger: Logger(label: "test"))
        }
        let missing = await #expect(throws: StorageError.self) { try await open("none") }
        #expect(missing?.kind == .unavailable && missing?.message.contains("none") == true)
        let invalid = await #expect(throws: StorageError.self) { try await open("a.b") }
        #expect(invalid?.kind == .invalid)
        _ = try await JetStream(connection).createStream(StreamConfiguration(name: "OBJ_X", subjects: ["x"]))
        let foreign = await #expect(throws: StorageError.self) { try await open("X") }
        #expect(foreign?.kind == .invalid)
        await connection.close()
    }
}
