import Crypto
import FileStorage
import Foundation
import GCSStorage
import JetStreamStorage
import Logging
import NATS
import S3Storage
import SQLiteStorage
import ServiceLifecycle
import Storage
import StorageClient
import StorageConformance
import StorageLayers
import StorageService
import StorageSnapshot
import TieredStorage
import UnixSignals
import Waiting

/// The code of the documentation, as it stands there: each function's body holds one piece.
struct Snippets {
    let url: String

    /// In place of the options of a server on the usual port.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    private func NATSOptions() -> NATS.NATSOptions {
        var options = NATS.NATSOptions()
        options.urls = [url]
        return options
    }

    func remoteStore() async throws -> [UInt8] {
        let connection = try await NATSConnection.connect(NATSOptions())
        let store = try await RemoteStore.discover(connection)
        try await store.put("greetings/hello", ObjectBody("Hello, world"))
        let greeting = try await store.bytes("greetings/hello")
        await connection.close()
        return greeting
    }

    func requests() async throws -> [UInt8] {
        let connection = try await NATSConnection.connect(NATSOptions())
        let orders = try await connection.subscribe("orders", queue: "workers")
        let answering = Task {
            for try await message in orders {
                guard let reply = message.reply else { continue }
                try await connection.publish(reply, payload: Array("taken".utf8))
            }
        }
        let answer = try await connection.request("orders", payload: Array("a book".utf8), timeout: .seconds(2))
        await orders.unsubscribe()
        try await answering.value
        await connection.close()
        return answer.payload
    }

    func bucket() async throws {
        var options = NATSOptions()
        let control = try await NATSConnection.connect(options)
        options.isBulk = true
        let bulk = try await NATSConnection.connect(options)
        var bucket = BucketConfiguration(name: "REPORTS")
        bucket.replicas = 1
        let store = try await JetStreamStore.open(
            bucket, control: control, bulk: bulk, logger: Logger(label: "reports"))
        try await store.put("reports/may.txt", ObjectBody("all well"))
        await store.shutdown()
        await control.close()
        await bulk.close()
    }

    func service() async throws {
        let connection = try await NATSConnection.connect(NATSOptions())
        let logger = Logger(label: "reports")
        let instance = StorageInstance(
            configuration: try InstanceConfiguration(name: "reports"), store: MemoryStore(), connection: connection,
            logger: logger)
        let group = ServiceGroup(services: [instance], gracefulShutdownSignals: [.sigterm], logger: logger)
        try await group.run()
    }

    func store() async throws {
        let store = MemoryStore()
        let info = try await store.put("reports/may.txt", ObjectBody("all well"))
        let options = PutOptions(precondition: .matches(info.version))
        _ = try await store.put("reports/may.txt", ObjectBody("better still"), options: options)
        for try await key in store.keys(ListQuery(prefix: "reports/")) { print(key) }
    }

    func stack() async throws -> [UInt8] {
        let keys = try EncryptionKeys(["2026": SymmetricKey(size: .bits256)], current: "2026")
        let stack = CachedStore(CompressedStore(EncryptedStore(RetryingStore(MemoryStore()), keys: keys)))
        try await stack.put("k", ObjectBody("stacked"))
        return try await stack.bytes("k")
    }

    func waiting(_ store: any Store, _ keys: [ObjectKey]) async throws {
        try await withTaskExecutorPreference(DeliveryExecutor.shared) {
            for key in keys { print(try await store.info(key).size) }
        }
    }

    func layers(_ base: any Store) async throws {
        var options = CacheOptions()
        options.maxBytes = 64 << 20
        let store = CachedStore(RetryingStore(base), options)
        try await store.put("k", ObjectBody("layered"))
    }

    func tiers(_ cold: any Store) async throws {
        let limits = TierLimits(maxBytes: 256 << 20, maxObjectBytes: 1 << 20)
        let store = TieredStore(hot: .init(MemoryStore(), limits: limits), cold: cold)
        try await store.put("reports/may.txt", ObjectBody("all well"))
    }

    func files(_ folder: String) async throws {
        let store = try await FileStore.open(FileStoreConfiguration(path: folder, durability: .always))
        try await store.put("reports/may.txt", ObjectBody("all well"))
        await store.shutdown()
    }

    func database(_ file: String) async throws {
        let store = try await SQLiteStore.open(SQLiteStoreConfiguration(path: file))
        try await store.put("reports/may.txt", ObjectBody("all well"))
        await store.shutdown()
    }

    func copies(_ source: any Store, _ destination: any Store) async throws {
        var copy = StoreCopy()
        copy.prefix = "reports/"
        let progress = try await copy.run(from: source, to: destination)
        print(progress.copied, "objects copied")
    }

    func conformance() async -> Int {
        let results = await ConformanceSuite.run(on: MemoryStore())
        let failures = results.filter(\.isFailure)
        return failures.count
    }

    // These two compile, and are not run: what they reach is not here.

    func s3() async throws -> S3Store {
        var bucket = S3Configuration(bucket: "my-bucket")
        bucket.region = "eu-central-1"
        let store = try await S3Store.open(
            bucket, environment: ProcessInfo.processInfo.environment, logger: Logger(label: "objects"))
        return store
    }

    func gcs() async throws -> GCSStore {
        let bucket = GCSConfiguration(bucket: "my-bucket")
        let store = try await GCSStore.open(bucket, environment: ProcessInfo.processInfo.environment)
        return store
    }
}
