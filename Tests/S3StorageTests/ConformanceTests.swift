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
        case .seaweed: []
        case .moto: []
        case .rclone: []
        }
    }

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
        for result in results {
            let isDifference = differences(flavor).contains(result.name)
            #expect(result.isFailure == isDifference, "\(result.name): \(result.complaint ?? "passes now")")
        }
    }
}
