import JetStreamStorage
import Logging
import NATS
import Storage
import TestSupport

/// A bucket on a server of its own.
struct Fixture {
    let server: NATSServer
    let control: NATSConnection
    let bulk: NATSConnection
    let store: JetStreamStore

    init(
        _ flavor: ServerFlavor, configuration: String = "", _ adjust: (inout BucketConfiguration) -> Void = { _ in }
    ) async throws {
        try await self.init(on: NATSServer(flavor, configuration: configuration), adjust)
    }

    init(on server: NATSServer, _ adjust: (inout BucketConfiguration) -> Void = { _ in }) async throws {
        self.server = server
        var options = NATSOptions()
        options.urls = [server.url]
        options.reconnectWait = .milliseconds(50)
        // Servers that are made to stand still are waited for.
        options.writeDeadline = .seconds(30)
        control = try await NATSConnection.connect(options)
        bulk = try await NATSConnection.connect(options)
        var bucket = BucketConfiguration(name: "B")
        // Nothing is late, unless a test says so.
        bucket.timeout = .seconds(30)
        adjust(&bucket)
        store = try await JetStreamStore.open(bucket, control: control, bulk: bulk, logger: Logger(label: "test"))
    }

    /// Another program's store on the same bucket.
    func another(_ adjust: (inout BucketConfiguration) -> Void = { _ in }) async throws -> JetStreamStore {
        var bucket = BucketConfiguration(name: "B")
        bucket.timeout = .seconds(30)
        adjust(&bucket)
        return try await JetStreamStore.open(bucket, control: bulk, bulk: bulk, logger: Logger(label: "test"))
    }

    /// How many chunk messages the bucket holds, once what was replaced is gone.
    func chunkCount() async throws -> Int {
        await store.finishPurging()
        let info = try await JetStream(control).streamInfo("OBJ_B", subjectsFilter: "$O.B.C.>")
        return Int(info.state.subjects?.values.reduce(0, +) ?? 0)
    }

    func close() async {
        await control.close()
        await bulk.close()
    }
}
