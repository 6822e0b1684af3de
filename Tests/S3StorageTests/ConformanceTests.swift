import S3Storage
import Storage
import StorageConformance
import TestSupport
import Testing

/// The contract that all stores share, on every server. What a server can't do is listed here, and has to fail: a
/// difference that is gone has to leave the list.
@Suite struct ConformanceTests {
    private func differences(_ flavor: S3Flavor) -> Set<String> {
        switch flavor {
        // A backslash is taken for a slash, and no name is longer than a file's may be.
        case .seaweed: ["keys/of-any-characters-are-kept-apart", "keys/of-1024-bytes"]
        case .moto, .openstack: []
        case .rclone:
            // Keys are files: none is another's folder, no name is longer than a file's may be; and folders are one whose
            // names differ by normalization alone.
            [
                "list/a-prefix-selects-by-bytes", "list/keys-that-are-prefixes-of-others",
                "list/a-pattern-matches-segment-by-segment", "list/a-delimiter-rolls-up",
                "list/prefixes-are-rolled-up-by-bytes", "pages/start-after-any-text",
                "keys/of-1024-bytes", "keys/of-many-segments", "keys/one-may-be-the-prefix-of-another",
                "concurrency/a-key-and-one-below-it-are-both-kept",
            ]
        }
    }

    /// What depends on who is faster: rclone writes into the file that others read; of a key and one below it,
    /// SeaweedFS may lose one that it acknowledged.
    private static let races = [
        "rclone: concurrency/readers-see-whole-objects-during-overwrites",
        "seaweed: concurrency/a-key-and-one-below-it-are-both-kept",
    ]

    @Test(arguments: S3Flavor.allCases)
    func theSuite(_ flavor: S3Flavor) async throws {
        let server = try await S3Server(flavor)
        let store = try await server.open()
        let results = await ConformanceSuite.run(on: store)
        check(results, flavor)
        await store.shutdown()
        check(await ConformanceSuite.runShutdown { try await server.open() }, flavor)
    }

    private func check(_ results: [CaseResult], _ flavor: S3Flavor) {
        #expect(!results.isEmpty)
        for result in results where !Self.races.contains("\(flavor): \(result.name)") {
            let isDifference = differences(flavor).contains(result.name)
            #expect(result.isFailure == isDifference, "\(result.name): \(result.complaint ?? "passes now")")
        }
    }
}
