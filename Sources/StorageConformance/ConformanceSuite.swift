public import Storage

/// The contract of `Store` as small named cases, the same for every backend, layer and client.
public enum ConformanceSuite {
    /// Every case that leaves the store as it was.
    public static let cases: [ConformanceCase] =
        objects + ranges + metadata + preconditions + expiry + streaming + digests + cancellation + concurrency
        + listing + pages + keys + messageIDs

    /// Cases that shut the store down: each needs a store of its own.
    public static let shutdownCases: [ConformanceCase] = shutdown

    /// Runs cases one after the other, in their order.
    ///
    /// - Parameters:
    ///   - store: what is put to the test.
    ///   - selection: names of cases, or of groups, or any beginning of them; empty: all.
    ///   - report: told each result as it is there.
    public static func run(
        on store: any Store, only selection: [String] = [], report: (CaseResult) -> Void = { _ in }
    ) async -> [CaseResult] {
        await run(cases, only: selection, report: report) { store }
    }

    /// Runs the cases that shut a store down, each on what `open` gives.
    public static func runShutdown(
        only selection: [String] = [], report: (CaseResult) -> Void = { _ in }, open: () async throws -> any Store
    ) async -> [CaseResult] {
        await run(shutdownCases, only: selection, report: report, open: open)
    }

    private static func run(
        _ cases: [ConformanceCase], only selection: [String], report: (CaseResult) -> Void,
        open: () async throws -> any Store
    ) async -> [CaseResult] {
        var results: [CaseResult] = []
        for one in cases where selection.isEmpty || selection.contains(where: { one.name.hasPrefix($0) }) {
            if Task.isCancelled { break }
            let result: CaseResult
            do {
                result = await one.run(on: try await open())
            } catch {
                result = CaseResult(name: one.name, outcome: .failed("opening the store: \(error)"), duration: .zero)
            }
            report(result)
            results.append(result)
        }
        return results
    }
}
