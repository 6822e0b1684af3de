import Storage
import StorageConformance
import Testing

/// Puts a store of its own, which `make` makes, to each case of the suite; a case that the store refuses has passed.
///
/// Several at a time: most of what they take is waiting for objects to expire.
func checkConformance(
    except excluded: String..., ofShutdown: Bool = true, _ make: @escaping @Sendable () throws -> any Store
) async throws {
    let all = ConformanceSuite.cases + (ofShutdown ? ConformanceSuite.shutdownCases : [])
    let chosen = all.filter { one in !excluded.contains { one.name.hasPrefix($0) } }
    #expect(chosen.count > 80)
    try await withThrowingTaskGroup(of: Void.self) { group in
        for (index, one) in chosen.enumerated() {
            if index >= 8 { try await group.next() }
            group.addTask {
                let store = try make()
                let result = await one.run(on: store)
                if let complaint = result.complaint { Issue.record("\(one.name): \(complaint)") }
                await store.shutdown()
            }
        }
        try await group.waitForAll()
    }
}
