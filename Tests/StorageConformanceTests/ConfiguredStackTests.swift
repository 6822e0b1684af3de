import Foundation
import Logging
import NATS
import Storage
import StorageConfiguration
import StorageConformance
import TestSupport
import Testing

/// Stacks of layers and tiers over real servers, opened as a configuration file says: the whole suite, and what a store
/// that is opened anew finds.
@Suite struct ConfiguredStackTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("stack-\(UUID().uuidString)")

    /// What SeaweedFS can't do: a backslash is taken for a slash, no name is longer than a file's may be, and of a key and
    /// one below it one may be lost.
    private static let seaweed = [
        "keys/of-any-characters-are-kept-apart", "keys/of-1024-bytes",
        "concurrency/a-key-and-one-below-it-are-both-kept",
    ]

    @Test func memoryOverFilesOverS3() async throws {
        try await check(try example("tiered-s3"), except: Self.seaweed, s3: true)
    }

    @Test func memoryOverSQLiteOverJetStream() async throws {
        try await check(try example("tiered-jetstream"))
    }

    @Test func deepOverS3() async throws {
        try await check(
            """
            nats: {url: "${NATS_URL}"}
            instances:
              - store: {type: s3, bucket: "${S3_BUCKET}", endpoint: "${S3_ENDPOINT}", create: true}
                layers:
                  - limit: {max_concurrent: 16}
                  - retry: {max_attempts: 3}
                  - prefix: {prefix: deep}
                  - encrypt: {keys: {"1": "${STORAGE_KEY}"}}
                  - compress: {algorithm: zstd}
                  - cache: {ttl: 100ms}
                  - metrics
            """, except: Self.seaweed, s3: true)
    }

    @Test func deepOverJetStream() async throws {
        try await check(
            """
            nats: {url: "${NATS_URL}"}
            instances:
              - store: {type: jetstream, bucket: DEEP}
                layers:
                  - retry
                  - compress: {algorithm: gzip}
                  - encrypt: {keys: {"1": "${STORAGE_KEY}"}, chunk_size: 4KiB}
                  - cache: {strategy: lru, max_entries: 20, negative_ttl: 1m}
                  - throttle: {reads_per_minute: 6000000, writes_per_minute: 6000000, burst: 1000}
                  - limit: {max_concurrent: 8}
            """)
    }

    /// Layers within the tiers, and around them.
    @Test func deepTiers() async throws {
        try await check(
            """
            nats: {url: "${NATS_URL}"}
            instances:
              - store:
                  type: tiered
                  hot: {type: memory, layers: [compress]}
                  hot_limits: {max_objects: 10}
                  warm:
                    type: file
                    path: ${FILE_STORE_PATH}
                    durability: none
                    layers: [{encrypt: {keys: {"1": "${STORAGE_KEY}"}}}, compress]
                  cold:
                    type: tiered
                    hot: {type: memory}
                    cold:
                      type: sqlite
                      path: ${SQLITE_STORE_PATH}
                      durability: none
                      layers: [{encrypt: {keys: {"1": "${STORAGE_KEY}"}}}, {compress: {level: 9}}]
                layers: [retry, metrics, cache]
            """)
    }

    // MARK: What they have in common

    private func example(_ name: String) throws -> String {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../config/\(name).yaml")
        return try String(contentsOf: file, encoding: .utf8)
    }

    private func check(_ yaml: String, except excluded: [String] = [], s3: Bool = false) async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let server = try await NATSServer(.newest)
        let seaweed = s3 ? try await ServerProcess.seaweed(accessKey: "AKIDTEST", secretKey: "secret") : nil
        let environment = [
            "NATS_URL": server.url, "FILE_STORE_PATH": folder.appendingPathComponent("files").path,
            "SQLITE_STORE_PATH": folder.appendingPathComponent("objects.db").path, "S3_BUCKET": "stack",
            "S3_ENDPOINT": "http://127.0.0.1:\(seaweed?.port ?? 0)", "S3_CREATE": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "secret",
            "STORAGE_KEY": Data((0..<32).map { _ in UInt8.random(in: 0...255) }).base64EncodedString(),
        ]
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let configuration = try Configuration(yaml: yaml, environment: environment)
        let instance = try #require(configuration.instances.first)
        let control = try await NATSConnection.connect(configuration.nats)
        let bulk = try await NATSConnection.connect(configuration.nats)
        try await check(excluded) {
            try await instance.store.open(
                control: control, bulk: bulk, logger: Logger(label: "test"), environment: environment)
        }
        await control.close()
        await bulk.close()
        withExtendedLifetime(seaweed) {}
    }

    private func check(_ excluded: [String], open: @escaping @Sendable () async throws -> any Store) async throws {
        let store = try await open()
        try await prove(ConformanceSuite.cases, excluded) { store }
        let text = Array(String(repeating: "what lasts. ", count: 1000).utf8)
        try await store.put("kept/object", ObjectBody(text))
        await store.shutdown()
        let again = try await open()
        #expect(try await again.bytes("kept/object") == text)
        #expect(try await again.list(ListQuery()).keys == ["kept/object"])
        await again.shutdown()
        try await prove(ConformanceSuite.shutdownCases, excluded, open)
    }

    /// Several at a time: most of what they take is waiting for objects to expire.
    private func prove(
        _ cases: [ConformanceCase], _ excluded: [String], _ open: @escaping @Sendable () async throws -> any Store
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, one) in cases.filter({ !excluded.contains($0.name) }).enumerated() {
                if index >= 8 { try await group.next() }
                group.addTask {
                    let result = await one.run(on: try await open())
                    if let complaint = result.complaint { Issue.record("\(one.name): \(complaint)") }
                }
            }
            try await group.waitForAll()
        }
    }
}
