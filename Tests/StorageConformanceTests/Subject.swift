import Storage
import StorageConformance
import Testing

/// A store to be put to the test, opened once for all the cases of a suite.
struct Subject: Sendable {
    /// For every case that leaves it as it was.
    let store: any Store
    /// Another one, to be shut down.
    var another: @Sendable () async throws -> any Store

    /// The subject of the suite that runs.
    @TaskLocal static var current: Subject?

    static func store() throws -> any Store { try #require(current).store }
}

/// Opens a suite's subject, runs the suite, and closes it.
struct SubjectTrait: SuiteTrait, TestScoping {
    typealias Run = @Sendable (Subject) async throws -> Void

    let isRecursive = false
    /// Opens a subject, hands it on, and closes it.
    let open: @Sendable (Run) async throws -> Void

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withoutActuallyEscaping(function) { function in
            try await open { subject in try await Subject.$current.withValue(subject) { try await function() } }
        }
    }
}

extension Trait where Self == SubjectTrait {
    /// A store that needs nothing beside it.
    static func subject(_ make: @escaping @Sendable () -> any Store) -> Self {
        SubjectTrait { run in try await run(Subject(store: make()) { make() }) }
    }
}

/// Puts the suite's subject to one case; a case that the store refuses has passed.
func check(_ one: ConformanceCase) async throws {
    report(await one.run(on: try Subject.store()))
}

/// The same with a store of its own, which the case shuts down.
func checkShutdown(_ one: ConformanceCase) async throws {
    report(await one.run(on: try await #require(Subject.current).another()))
}

private func report(_ result: CaseResult) {
    if let complaint = result.complaint { Issue.record("\(complaint)") }
}
