import GCSStorage
import StorageConformance
import TestSupport
import Testing

/// The contract that all stores share. What a server can't do is listed here, and has to fail: a difference that is
/// gone has to leave the list.
@Suite struct GCSConformanceTests {
    /// All objects above 1 MiB by resumable uploads, whose digest is known at their end only.
    @Test func theFaithfulServer() async throws {
        let server = try await GCSServer()
        let store = try await server.open()
        check(await ConformanceSuite.run(on: store), ["ranges/across-the-chunks-of-a-large-object"])
        #expect(try await server.state().sessions == 0)
        await store.shutdown()
        check(await ConformanceSuite.runShutdown { try await server.open() }, [])
    }

    /// It honours the generation only where an object is written in one request, so that several deletes at once may
    /// find the same object; its answer to a change of metadata tells no metageneration; and it rolls up by the first
    /// character of a delimiter.
    @Test func fakeGCSServer() async throws {
        let server = try await ServerProcess.fakeGCS()
        var configuration = GCSConfiguration(bucket: "bucket")
        configuration.endpoint = "http://127.0.0.1:\(server.port)"
        configuration.createInProject = "project"
        configuration.credentials = .anonymous
        let store = try await GCSStore.open(configuration, environment: [:])
        check(
            await ConformanceSuite.run(on: store),
            [
                "preconditions/a-delete-of-another-version-deletes-nothing", "metadata/set-alone-changes-nothing-else",
            ], byChance: ["concurrency/of-racing-deletes-one-finds-the-object"])
        await store.shutdown()
        check(
            await ConformanceSuite.runShutdown { try await GCSStore.open(configuration, environment: [:]) }, [])
    }

    /// What the server does wrong `byChance` may pass.
    private func check(_ results: [CaseResult], _ differences: Set<String>, byChance: Set<String> = []) {
        #expect(!results.isEmpty)
        for result in results where !byChance.contains(result.name) {
            let isDifference = differences.contains(result.name)
            #expect(result.isFailure == isDifference, "\(result.name): \(result.complaint ?? "passes now")")
        }
    }
}
